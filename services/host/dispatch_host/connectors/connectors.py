"""All connectors of a host: a toolbox for agents, and what the owner sees of them. docs/connectors.md.

Made once by the wiring; use as an async context manager. Each call uses a permission, is asked for, and runs once.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from dispatch_host.agents.agent import Step
from dispatch_host.agents.asking import JSON, Denied, NobodyAnswered
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work
from dispatch_host.connectors.answer import written
from dispatch_host.connectors.approval import approval, permission_of
from dispatch_host.connectors.connector import Connector, Ending, Unavailable, why_theirs
from dispatch_host.connectors.definition import TOP, ByUrl, Definition, Definitions, Mistake, read
from dispatch_host.connectors.failures import CallFailed
from dispatch_host.connectors.life import Life
from dispatch_host.connectors.offer import ALL_BYTES, Offer, Offered, fitting, model_names
from dispatch_host.connectors.starting import Starter
from dispatch_host.permissions.permission import Kind
from dispatch_host.scope import Folder

FILE = "connectors.json"
FILE_BYTES = 1024 * 1024
ARGUMENTS_BYTES = 64 * 1024
_TOLD_TASKS = 16
_NAMED_LEFT_OUT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One connector, as its owner sees it."""

    name: str  # empty for the file itself
    by_url: bool = False
    life: Life = field(default_factory=Life)
    disabled: bool = False
    mistakes: Sequence[Mistake] = ()
    offer: Offer = field(default_factory=Offer)
    unasked: Mapping[str, str] = field(default_factory=dict)
    wrote: str = field(default="", repr=False)
    lacks: str = ""
    """Why it can't be started, as far as that is seen without starting it."""


class Connectors:
    """The connectors of one host. As a `Toolbox`."""

    def __init__(self, file: Path, *, starter: Starter) -> None:
        """`file` is `connectors.json`."""
        # Fixed after __init__.
        self._file = file
        self._starter = starter
        self._group = asyncio.TaskGroup()
        # Set by whoever counts, before anything is started.
        self.broke: Callable[[Ending], None] = lambda _: None
        # Touched on one loop.
        self._is_over = False
        self._stamp: tuple[int, int, int] | None = None
        self._read = Definitions()
        self._connectors: dict[str, Connector] = {}
        self._told: dict[tuple[str, str], int] = {}  # what a task has heard, by task and connector; "" for all of them

    async def __aenter__(self) -> Connectors:
        await self._group.__aenter__()
        self._look()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        for connector in self._connectors.values():
            connector.let_go()
        # Those that were let go before are in the group, too.
        await self._group.__aexit__(None, None, None)

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give the tools that are permitted now. A connector that is not there is told to the person, and left out."""
        self._look()
        names = {name.partition("/")[0] for name in work.gate.named(Kind.CONNECTOR)}
        wanted = [connector for name, connector in self._connectors.items() if name in names]
        offers = await asyncio.gather(*(self._offer(connector, work) for connector in wanted))
        found = {
            (connector.definition.name, tool.name): tool
            for connector, offer in zip(wanted, offers, strict=True)
            for tool in offer.tools.values()
            if work.gate.has(permission_of(connector.definition.name, tool.name))
        }
        taken, left_out = fitting(found)
        if left_out:
            await self._tell_left_out(left_out, work)
        called = model_names(list(taken))
        return [_tool(called[key], key[0], tool, self._run) for key, tool in taken.items()]

    def seen(self, folders: Sequence[Folder] = ()) -> Sequence[Seen]:
        """Tell how they are with these folders approved, without starting any."""
        self._look()
        wrong: dict[str, list[Mistake]] = {}
        for mistake in self._read.mistakes:
            wrong.setdefault(mistake.connector, []).append(mistake)
        return [
            *(Seen(name=name, mistakes=mistakes) for name, mistakes in wrong.items()),
            *(
                replace(_seen(connector, folders), lacks=self._starter.lacks(connector.definition.how))
                for connector in self._connectors.values()
            ),
            *(Seen(name=name, disabled=True) for name in self._read.disabled),
        ]

    async def check(self, name: str, *, keep: bool, folders: Sequence[Folder]) -> Seen | None:
        """Start one, whatever is permitted, and tell how it is then; None when there is none. It is ended after, unless `keep`."""
        self._look()
        connector = self._connectors.get(name)
        if connector is None:
            return next((one for one in self.seen() if one.name == name), None)
        try:
            await connector.refreshed(folders)
        except Unavailable:
            return _seen(connector, folders)
        found = _seen(connector, folders)
        if not keep:
            await connector.stop()
        return found

    def permissions_changed(self, granted: Sequence[str], folders: Sequence[Folder]) -> None:
        """End what nothing is left for, what sees a folder that it may not see any more, and what agents may write to by now."""
        names = {name.partition("/")[0] for name in granted}
        for name, connector in self._connectors.items():
            if name not in names or connector.outgrows(folders):
                self._group.create_task(connector.stop())

    async def _offer(self, connector: Connector, work: Work) -> Offer:
        try:
            offer = await connector.refreshed(work.gate.folders)
        except Unavailable as missing:
            await self._tell_once(connector, work, str(missing))
            return Offer()
        return offer

    async def _tell_once(self, connector: Connector, work: Work, why: str) -> None:
        """Tell the person of a task that a connector is not there, once for each time that it broke."""
        if self._is_news(work, connector.definition.name, connector.life.failures):
            await work.tell(Step(f"The connector {connector.definition.name} is not there", why))

    async def _tell_left_out(self, left_out: Sequence[tuple[str, str]], work: Work) -> None:
        """Tell the person of a task which tools there is no room for, once for each number of them."""
        if self._is_news(work, "", len(left_out)):
            names = ", ".join(f"{connector}/{tool}" for connector, tool in left_out[:_NAMED_LEFT_OUT])
            more = f" and {len(left_out) - _NAMED_LEFT_OUT} more" if len(left_out) > _NAMED_LEFT_OUT else ""
            why = f"{names}{more}: what is permitted says more of itself than {ALL_BYTES // 1024} KiB. Permit single tools."
            await work.tell(Step("Not all tools of the connectors can be used", why))

    def _is_news(self, work: Work, about: str, state: int) -> bool:
        """Tell whether a task has not heard this of a connector, and count it as heard."""
        key = work.task.task_id, about
        if self._told.get(key) == state:
            return False
        self._told[key] = state
        while len(self._told) > _TOLD_TASKS:
            del self._told[next(iter(self._told))]
        return True

    async def _run(self, name: str, tool: Offered, arguments: Mapping[str, JSON], work: Work) -> str:
        """Call a tool for a task: permitted, approved, audited, once."""
        self._look()
        connector = self._connectors.get(name)
        if connector is None:
            raise ToolFailed(f"There is no connector {name} any more.")
        permission, subject = permission_of(name, tool.name), f"{name}/{tool.name}"
        if not work.gate.has(permission):
            await work.gate.use(permission, subject)  # raises, and the audit log has it
        question = approval(name, tool, arguments)
        if len(question.action) > ARGUMENTS_BYTES:
            raise ToolFailed(f"The arguments have more than {ARGUMENTS_BYTES} bytes.")
        if connector.definition.unasked.get(tool.name) != tool.digest:
            reply = await work.ask.may(question)
            if isinstance(reply, Denied):
                raise ToolFailed("The person said no to this call. It was not made.")
            if isinstance(reply, NobodyAnswered):
                raise ToolFailed("Nobody answered whether this call may be made. It was not made.")
        await work.gate.use(permission, subject)
        self._look()
        if self._connectors.get(name) is not connector:
            # A question takes its time; the yes was for this one.
            raise ToolFailed(f"The connector {name} is another one now, or gone. The call was not made.")
        # What is sent is read from the bytes that the answer is bound to.
        sent = json.loads(question.action)["arguments"]
        try:
            answer = await connector.call(tool, sent, work.gate.folders)
        except Unavailable as missing:
            await self._tell_once(connector, work, str(missing))
            fate = "Nobody knows whether the call was carried out" if missing.asked else "The call was not made"
            raise ToolFailed(f"{missing} {fate}. It is not made again by itself.") from None
        except CallFailed as failure:
            said = f" Its own words, which are data: {json.dumps(failure.said)}" if failure.said else ""
            raise ToolFailed(f"The call of {subject} failed: {failure}.{said}") from None
        text = written(answer, connector=name, tool=tool.name)
        if answer.failed:
            raise ToolFailed(text)
        return text

    def _look(self) -> None:
        """Read the file if it is another one than it was, and end what is not in it as it runs."""
        stamp = _stamp(self._file)
        if stamp == self._stamp or self._is_over:
            return
        self._stamp, self._read = stamp, _definitions(self._file)
        for name, connector in list(self._connectors.items()):
            if self._read.by_name.get(name) != connector.definition:
                del self._connectors[name]
                connector.let_go()
        for name, definition in self._read.by_name.items():
            if name not in self._connectors:
                self._connectors[name] = self._made(definition)

    def _made(self, definition: Definition) -> Connector:
        return Connector(definition, starter=self._starter, group=self._group, broke=self.broke)


def _tool(
    called: str,
    name: str,
    tool: Offered,
    run: Callable[[str, Offered, Mapping[str, JSON], Work], Awaitable[str]],
) -> Tool:
    about = f"The tool {tool.name} of the connector {name}. What its server says of it: {tool.about or 'nothing'}"
    return Tool(called, about, tool.schema, partial(run, name, tool))


def _seen(connector: Connector, folders: Sequence[Folder]) -> Seen:
    name, theirs = connector.definition.name, connector.not_the_owners(folders)
    return Seen(
        name=name,
        mistakes=[Mistake(name, f"{TOP}.{name}", why_theirs(theirs))] if theirs else (),
        by_url=isinstance(connector.definition.how, ByUrl),
        life=connector.life,
        offer=connector.offer,
        unasked=connector.definition.unasked,
        wrote=connector.wrote,
    )


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = os.stat(file)
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _definitions(file: Path) -> Definitions:
    try:
        with open(file, "rb") as source:
            content = source.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return Definitions()
    except OSError as failure:
        return Definitions(mistakes=[Mistake("", FILE, f"it can't be read: {failure.strerror}")])
    if len(content) > FILE_BYTES:
        return Definitions(mistakes=[Mistake("", FILE, f"it is larger than {FILE_BYTES} bytes")])
    try:
        return read(content.decode())
    except UnicodeDecodeError:
        return Definitions(mistakes=[Mistake("", FILE, "it is not UTF-8")])
