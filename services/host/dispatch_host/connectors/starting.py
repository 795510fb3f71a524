"""Starts a connector: fills in its secrets, starts the program or opens the address, and shakes hands. One `Starter` a host.

The only place where secrets are: they go to the server, and out of everything that it says when it fails.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch.plain import one_line

from dispatch_host.agents.terminal import Terminal
from dispatch_host.connectors.definition import ByProgram, ByUrl, Definition, Unfilled
from dispatch_host.connectors.meter import Meter
from dispatch_host.connectors.owners import not_the_owners
from dispatch_host.sandbox.keeping import Start, converse, keepers
from dispatch_host.sandbox.program import Conversation, Limits, NoProgram, Program
from dispatch_host.scope import Folder
from dispatch_host.scope.theirs import where_agents_write

if TYPE_CHECKING:
    from dispatch_host.connectors.line import Line

PASSED_ON = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
_ANY_BYTES = 1 << 62  # the meter counts
_SECRET_FILE_BYTES = 64 * 1024
_YEARS_SECONDS = 10 * 366 * 24 * 3600.0
_HIDDEN_FROM = 4  # characters: a shorter value hides nothing, and would tear words apart
_ERRORS_CHARACTERS = 400


class NotStarted(Exception):
    """It could not be started. The text is for a person, and has no secret."""


@dataclass(slots=True)
class Opening:
    """What is known of one start besides the connection, also when none comes about."""

    ended: Callable[[], None]  # called when the server says nothing more
    meter: Meter = field(default_factory=Meter)
    secrets: Sequence[str] = field(default=(), repr=False)
    filled_in: Sequence[str] = field(default=(), repr=False)
    """Of the secrets those that stood in no setting: what is written there openly may be a word like any."""
    errors: Callable[[], bytes] = field(default=lambda: b"", repr=False)

    def wrote(self) -> str:
        """Give the end of what the program wrote to its standard error, without secrets."""
        # Hidden before it is cut: of a secret at the edge a part would be left.
        return one_line(self.hidden(self.errors().decode(errors="replace")))[-_ERRORS_CHARACTERS:]

    def hidden(self, text: str) -> str:
        """Take the secrets out of a text."""
        return _without(self.secrets, text)

    def hidden_where_filled_in(self, text: str) -> str:
        """Take out of an answer what its places were filled with."""
        return _without(self.filled_in, text)


class Starter:
    """Starts connectors."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        home: Path,
        terminal: Terminal,
        agents_own: Callable[[], Sequence[Path]],
        limits: Limits | None = None,
        grace_seconds: float = 1.0,
    ) -> None:
        """`environment` is the host's, `home` the folder of whoever runs it; `terminal` knows the sandbox.

        `agents_own` gives the folders that external agents have for themselves, to change; `grace_seconds` is what a program
        has from the end of its input to being killed.
        """
        self._agents_own = agents_own
        self._environment = environment
        self._home = home
        self._terminal = terminal
        self.grace_seconds = grace_seconds
        self._limits = limits or Limits(seconds=_YEARS_SECONDS, output_bytes=_ANY_BYTES)

    def not_the_owners(self, definition: Definition, folders: Sequence[Folder]) -> Sequence[str]:
        """Name the keys by which a program leads to where agents may write, with these approved.

        In the sandbox it may, unless it gets secrets.
        """
        how = definition.how
        if isinstance(how, ByUrl) or (how.sandbox and not any(one.has_places for one in how.env.values())):
            return ()
        places = where_agents_write(folders, self._agents_own())
        return not_the_owners(how, places, home=self._home, environment=self._environment)

    @contextlib.asynccontextmanager
    async def started(self, definition: Definition, opening: Opening, folders: Sequence[Folder]) -> AsyncIterator[Line]:
        """Hold a connection. Raises NotStarted and LineBroken, and groups of whatever the SDK raises."""
        try:
            from dispatch_host.connectors.line import line  # noqa: PLC0415 -- an extra, and slow to import
        except ModuleNotFoundError:
            raise NotStarted("connectors need the extra mcp: pip install 'dispatch-host[mcp]'") from None
        try:
            values = {
                name: template.filled(self._environment, self._read) for name, template in definition.templates.items()
            }
        except Unfilled as missing:
            raise NotStarted(str(missing)) from None
        filled = {name: value.text for name, value in values.items()}
        opening.secrets = [secret for value in values.values() for secret in (value.text, *value.secrets)]
        known = {self._environment[name] for name in PASSED_ON if name in self._environment}
        opening.filled_in = [one for value in values.values() for one in value.secrets if one not in known]
        how, meter = definition.how, opening.meter
        if isinstance(how, ByUrl):
            from dispatch_host.connectors.http import http  # noqa: PLC0415 -- as above

            streams = http(how.url, filled, meter, opening.ended)
            async with line(streams, meter, by_program=False, seconds=definition.call_seconds) as opened:
                yield opened
            return
        from dispatch_host.connectors.stdio import stdio  # noqa: PLC0415 -- as above

        async with self._program(how, filled, folders) as program:
            opening.errors = lambda: program.complaint
            streams = stdio(program, meter, opening.ended, grace_seconds=self.grace_seconds)
            async with line(streams, meter, by_program=True, seconds=definition.call_seconds) as opened:
                yield opened

    @contextlib.asynccontextmanager
    async def _program(
        self, how: ByProgram, variables: Mapping[str, str], folders: Sequence[Folder]
    ) -> AsyncIterator[Conversation]:
        folder = self._home / how.cwd.removeprefix("~/")  # one that is absolute stays it
        argv = (how.command, *how.args)
        if how.sandbox:
            found = await self._terminal.found()
            if found.programs is None:
                raise NotStarted(found.why or "there is no sandbox")
            confined = found.programs.converse(
                Program(argv, folder, variables=variables), folders=folders, network=how.network, limits=self._limits
            )
            try:
                async with confined as conversation:
                    yield conversation
            except NoProgram as cannot:
                raise NotStarted(f"in the sandbox {cannot}") from None
            return
        if why := self.lacks(how):
            raise NotStarted(why)
        passed = {name: self._environment[name] for name in PASSED_ON if name in self._environment}
        start = Start(
            argv=argv, environment={**passed, **variables}, folder=folder, confined=False, limits=self._limits
        )
        async with converse(start, environment=keepers(self._environment)) as conversation:
            yield conversation

    def lacks(self, how: ByProgram | ByUrl) -> str:
        """Say that its program isn't there, without starting anything; empty when it is. In the sandbox others see to that."""
        if isinstance(how, ByUrl) or how.sandbox:
            return ""
        if "/" in how.command:
            found = os.access(self._home / how.cwd.removeprefix("~/") / how.command, os.X_OK)
        else:
            found = shutil.which(how.command, path=self._environment.get("PATH")) is not None
        return "" if found else f"there is no program {how.command} here"

    def _read(self, path: str) -> str:
        """Read a file with a secret. Raises Unfilled."""
        where = self._home / path[2:] if path.startswith("~/") else Path(path)
        try:
            descriptor = os.open(where, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as failure:
            raise Unfilled(f"the file {path} can't be read: {failure.strerror}") from None
        with open(descriptor, "rb") as source:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _SECRET_FILE_BYTES:
                raise Unfilled(f"the file {path} holds no secret: it is too large, or no file")
            if facts.st_mode & 0o077:
                raise Unfilled(f"the file {path} can be read by others: chmod 600 it")
            try:
                text = source.read(_SECRET_FILE_BYTES).decode()
            except UnicodeDecodeError:
                raise Unfilled(f"the file {path} is no text") from None
        if any(sign in text.strip("\r\n") for sign in "\0\r\n"):
            raise Unfilled(f"the file {path} has more than one line")
        return text


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _HIDDEN_FROM:
            text = text.replace(secret, "(hidden)")
    return text
