"""The one way in which agents start programs: permission, sandbox and limits in one place.

Made once by the wiring and handed to every agent that starts programs; a task brings its gate. Whether a person was asked is
the agent's business: what it hands in here is started.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from dispatch_host.agents.agent import Gate
from dispatch_host.permissions.permission import NETWORK, TERMINAL, UNCONFINED
from dispatch_host.sandbox.probe import Found, probe
from dispatch_host.sandbox.program import Conversation, Limits, NoProgram, Program, ProgramEvent, Programs
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder, KeptOut
from dispatch_host.scope.given import given, still_given


class NoSandbox(Exception):
    """Programs can't be confined on this computer, and its owner has not said that they may run all the same."""

    def __init__(self, found: Found) -> None:
        super().__init__(found.why)
        self.why = found.why
        self.advice = found.advice


class Terminal:
    """Starts programs for agents."""

    def __init__(
        self, probe: Callable[[], Awaitable[Found]], *, unconfined: Programs, limits: Limits | None = None
    ) -> None:
        """`probe` looks for the sandbox. `unconfined` is used where there is none and the owner accepted that."""
        self._probe = probe
        self._unconfined = unconfined
        self._limits = limits or Limits()
        self._found: Found | None = None
        self._looking = asyncio.Lock()

    async def found(self) -> Found:
        """Tell whether there is a sandbox. One that is there is not looked for again; one that is missing may be installed."""
        async with self._looking:
            if self._found is None or self._found.programs is None:
                self._found = await self._probe()
            return self._found

    async def is_confined(self, gate: Gate, subject: str) -> bool:
        """Tell before a person is asked how a program would be started: in the sandbox, or as the owner accepted.

        Raises NoSandbox, and NotPermitted where there is no permission.
        """
        if not gate.has(TERMINAL):
            await gate.use(TERMINAL, subject)  # raises, and the audit log has it
        found = await self.found()
        if found.programs is not None:
            return True
        if not gate.has(UNCONFINED):
            raise NoSandbox(found)
        return False

    async def run_program(
        self,
        command: Sequence[str],
        folder: Path,
        limits: Limits | None = None,
        *,
        gate: Gate,
        network: bool | None = None,
        confined: bool = True,
        variables: Mapping[str, str] | None = None,
        folders: Sequence[Folder] | None = None,
        own: Sequence[Folder] = (),
        subject: str | None = None,
    ) -> AsyncGenerator[ProgramEvent, None]:
        """Start a program and give its output and its end. Closing the generator kills all of it. `variables` are of its
        environment, beside what all programs have, and `own` the folders that it needs beside the approved ones. `subject` is
        what the audit log calls it: the program, unless it is said.

        `folders` is what it is given, as the person was shown: not more than is approved, nor what was approved since. Unless
        they are said, it is given the approved folder that it starts in.

        It may use the network if that is permitted, unless `network` says no. `confined` is what `is_confined` gave and the
        person was shown: a sandbox that is gone since is not done without. Raises NotPermitted, NoSandbox and NoProgram.
        """
        program = Program(tuple(command), folder, own=own, variables=variables or {})
        programs, online = await self._chosen(program, gate, network, confined=confined, subject=subject)
        seen = _seen(folder, folders, gate.folders)
        events = programs.run(program, folders=seen, network=online, limits=limits or self._limits)
        async with contextlib.aclosing(events):
            async for event in events:
                yield event

    @asynccontextmanager
    async def converse(
        self,
        program: Program,
        limits: Limits,
        *,
        gate: Gate,
        network: bool | None = None,
        confined: bool = True,
        folders: Sequence[Folder] | None = None,
    ) -> AsyncIterator[Conversation]:
        """Start a program to speak with it; leaving kills all of it. The rest is as in `run_program`, but that it is given all
        approved folders unless others are said: it is an agent, and they are what the task has.
        """
        programs, online = await self._chosen(program, gate, network, confined=confined)
        approved = gate.folders
        seen = approved if folders is None else _seen(program.folder, folders, approved)
        async with programs.converse(program, folders=seen, network=online, limits=limits) as conversation:
            yield conversation

    async def _chosen(
        self, program: Program, gate: Gate, network: bool | None, *, confined: bool, subject: str | None = None
    ) -> tuple[Programs, bool]:
        """Use the permissions that starting it takes, and choose how it is started: the way, and whether with the network."""
        if subject is None:
            subject = program.argv[0] if program.argv else ""
        await gate.use(TERMINAL, subject)
        programs = (await self.found()).programs
        if programs is None:
            if confined or not gate.has(UNCONFINED):
                raise NoSandbox(await self.found())
            await gate.use(UNCONFINED, subject)
            programs = self._unconfined
        online = gate.has(NETWORK) if network is None else network
        if online:
            await gate.use(NETWORK, subject)
        return programs, online


def _seen(start: Path, chosen: Sequence[Folder] | None, approved: Sequence[Folder]) -> Sequence[Folder]:
    """Give the folders of a program as they may be now. Raises NoProgram."""
    if chosen is None:
        return given(start, (), approved, home=start)
    seen = still_given(chosen, approved)
    if seen is None:
        raise NoProgram("a folder that it was to be given is not approved any more")
    return seen


def best_terminal(*, home: Path, keep_out: Sequence[Path | KeptOut], environment: Mapping[str, str]) -> Terminal:
    """Make the terminal of this computer. `home` is what `~` is to programs; they never see `keep_out`, in the sandbox."""
    looking = partial(probe, home=home, keep_out=keep_out, environment=environment)
    return Terminal(looking, unconfined=Unconfined(home=home, keep_out=keep_out, environment=environment))
