"""What every command of `dispatch-host` shares: the shared options, the way to a front desk, and the exit code.

Called by the command modules beside it. What is slow to import is imported where it is needed, so that `--help` is quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch import errors
from dispatch.cli import Console, Exit, guarded, passphrase_file
from dispatch.words import Language

if TYPE_CHECKING:
    from dispatch.device.home import Home

    from dispatch_host.front import Front

_APP = "dispatch-host"
COMMAND_SECONDS = 5.0
"""How long another command of this home, or the start of its host, is waited for."""


class Shared:
    """The shared options, and what follows from them."""

    def __init__(
        self,
        *,
        as_json: bool,
        home: str | None,
        passphrase: Path | None,
        environment: Mapping[str, str],
        language: Language | None = None,
    ) -> None:
        self.as_json = as_json
        self.language = language
        self.console = Console.standard(as_json=as_json, language=language)
        self.environment = environment
        self._home = home
        self._passphrase = passphrase_file(passphrase)

    @property
    def plaintext(self) -> bool:
        """Whether the operator's word allows to speak in the clear off this computer."""
        return self.environment.get("DISPATCH_PLAINTEXT") == "1"

    @property
    def home(self) -> Home:
        from dispatch.device.home import Home  # noqa: PLC0415 -- quick `--help`

        return Home.at(self._home, app=_APP, passphrase_file=self._passphrase)


def do(shared: Shared, work: Callable[[], Awaitable[Exit]]) -> None:
    """Do something and leave with its exit code."""

    async def body() -> Exit:
        return await work()

    guarded(lambda: asyncio.run(body()), as_json=shared.as_json, language=shared.language)


def at_desk(shared: Shared, work: Callable[[Front], Awaitable[Exit]]) -> None:
    """Do something at the front desk: the running host's, or our own."""

    async def body() -> Exit:
        async with front_desk(shared) as front:
            return await work(front)

    do(shared, body)


@contextlib.asynccontextmanager
async def front_desk(shared: Shared) -> AsyncIterator[Front]:
    """Come to the front desk of the running host, or open our own when nobody else owns the home."""
    from dispatch_host.control_client import ControlClient  # noqa: PLC0415 -- quick `--help`
    from dispatch_host.owned import owning  # noqa: PLC0415

    home = shared.home
    with contextlib.ExitStack() as stack:
        try:
            owned = stack.enter_context(
                owning(
                    home,
                    plaintext=shared.plaintext,
                    environment=shared.environment,
                    patience_seconds=COMMAND_SECONDS,
                )
            )
        except errors.HomeInUse:
            if not home.is_served():
                raise
        else:
            # Only where no host runs: a command that speaks to one does not load all that it is made of.
            from dispatch.runtime.logs import configure  # noqa: PLC0415

            from dispatch_host.known_agents import known_agents  # noqa: PLC0415
            from dispatch_host.known_tools import known_tools  # noqa: PLC0415
            from dispatch_host.operations import Operations  # noqa: PLC0415

            configure(service="host")  # what breaks here is no word of a command's: it goes to standard error
            tools = known_tools(owned, shared.environment)
            async with tools.connectors:
                agents = known_agents(owned, shared.environment, toolboxes=tools.toolboxes)
                yield Operations(owned, agents=agents, running=None, tools=tools)
            return
    async with ControlClient(home) as client:
        yield client


async def task_meant(front: Front, said: str) -> bytes:
    """Read a task's id, or complete its beginning. Raises BadRequest, TaskUnknown, and TargetNeeded where several begin so."""
    from dispatch.device.telling import task_word  # noqa: PLC0415 -- quick `--help`

    from dispatch_host import telling  # noqa: PLC0415

    with contextlib.suppress(errors.BadRequest):
        return telling.task_id(said)
    if not _BEGINNING.fullmatch(said):
        raise errors.BadRequest("that is no task's id, nor the beginning of one", metadata={"field": "task_id"})
    listed = (await front.list_tasks(_LOOKED_AT)).tasks
    found = [one.task_id for one in listed if task_word(one.task_id).startswith(said.lower())]
    if not found:
        raise errors.TaskUnknown
    if len(found) > 1:
        raise errors.TargetNeeded("the ids of several tasks begin so")
    return found[0]


_BEGINNING = re.compile(r"[0-9a-fA-F-]{4,35}")
_LOOKED_AT = 1_000  # tasks that are over; the open ones are looked at all
