"""The programs that an agent asks the host to start: each after a yes, in a sandbox of its own, until the task ends.

Called by client.py. What is started is read from the bytes that the answer is bound to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dispatch_host.agents import places
from dispatch_host.agents.agent import Gate, NotDoneReason
from dispatch_host.agents.asking import JSON, RULE_BYTES, Approval, Ask, Denied, NobodyAnswered, canonical
from dispatch_host.agents.places import NoPlace
from dispatch_host.agents.terminal import NoSandbox, Terminal
from dispatch_host.markdown import code, fenced
from dispatch_host.permissions.permission import NETWORK, TERMINAL, UNCONFINED
from dispatch_host.sandbox.program import Ended, Exit, NoProgram, Output
from dispatch_host.scope import KeptOut, shown, visible
from dispatch_host.scope.given import given

_MOST = 16  # at once
_OUTPUT_BYTES = 1024 * 1024


class ProgramRefused(Exception):
    """A program that is not started, or a terminal that is not there. The message is for the agent."""

    def __init__(self, text: str, reason: NotDoneReason | None = None) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class _Running:
    """One program and the end of its output."""

    most_bytes: int
    output: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    exit: Exit | None = None
    work: asyncio.Task[None] | None = None

    def wrote(self, data: bytes) -> None:
        self.output += data
        if len(self.output) > self.most_bytes:
            self.truncated = True
            del self.output[: len(self.output) - self.most_bytes]

    @property
    def text(self) -> str:
        """Give the output, from the beginning of a character on."""
        data = bytes(self.output)
        while self.truncated and data and data[0] & 0xC0 == 0x80:
            data = data[1:]
        return data.decode("utf-8", "replace")


@dataclass(slots=True)
class Terminals:
    """One task's programs, by the ids that the agent was told."""

    terminal: Terminal
    gate: Gate
    ask: Ask
    agent: str
    home: Path
    keep_out: Sequence[KeptOut]
    _running: dict[str, _Running] = field(default_factory=dict)
    _made: int = 0

    async def create(
        self, argv: Sequence[str], folder: Path, variables: Mapping[str, str], most_bytes: int | None
    ) -> str:
        """Ask, start the program, and give its id. Raises ProgramRefused, NotPermitted."""
        if len(self._running) >= _MOST:
            raise ProgramRefused("too many programs at once")
        start = await self._start(folder)
        try:
            confined = await self.terminal.is_confined(self.gate, argv[0])
        except NoSandbox as missing:
            raise ProgramRefused(missing.why, NotDoneReason.SANDBOX_UNAVAILABLE) from None
        question = self._question(argv, start, variables, confined=confined)
        match await self.ask.may(question):
            case Denied():
                raise ProgramRefused("the person said no", NotDoneReason.PERSON_DENIED)
            case NobodyAnswered():
                raise ProgramRefused("nobody answered whether it may be started", NotDoneReason.NOBODY_ANSWERED)
            case _:
                pass
        self._made += 1
        name = f"terminal-{self._made}"
        most = _OUTPUT_BYTES if most_bytes is None else max(0, min(most_bytes, _OUTPUT_BYTES))
        running = self._running[name] = _Running(most)
        running.work = asyncio.create_task(self._run(running, question.action))
        return name

    def look(self, name: str) -> tuple[str, bool, Exit | None]:
        """Give a program's output so far, whether its beginning is gone, and its end. Raises ProgramRefused."""
        running = self._of(name)
        return running.text, running.truncated, running.exit

    async def wait(self, name: str) -> Exit:
        """Wait for a program's end. Raises ProgramRefused."""
        running = self._of(name)
        if running.work is not None:
            await asyncio.wait([running.work])
        return running.exit or Exit(Ended.LOST)

    async def kill(self, name: str) -> None:
        """End a program with all that it started; its output stays. Raises ProgramRefused."""
        running = self._of(name)
        await _stop(running)

    async def release(self, name: str) -> None:
        """End a program and forget it. Raises ProgramRefused."""
        await self.kill(name)
        self._running.pop(name, None)

    async def close(self) -> None:
        """End all of them."""
        for running in list(self._running.values()):
            await _stop(running)

    def _of(self, name: str) -> _Running:
        running = self._running.get(name)
        if running is None:
            raise ProgramRefused("there is no such terminal")
        return running

    async def _run(self, running: _Running, action: bytes) -> None:
        said = json.loads(action)
        program = self.terminal.run_program(
            said["argv"],
            Path(said["folder"]),
            gate=self.gate,
            network=said["network"],
            confined=said["confined"],
            variables=said["variables"],
            folders=places.from_json(said["folders"]),
        )
        try:
            async with contextlib.aclosing(program) as events:
                async for event in events:
                    if isinstance(event, Output):
                        running.wrote(event.data)
                    else:
                        running.exit = event
        except NoProgram as cannot:
            running.wrote(f"{cannot}\n".encode())
            running.exit = Exit(Ended.NOT_STARTED)
        except asyncio.CancelledError:
            running.exit = Exit(Ended.EXITED, 137)
            raise
        except Exception:
            running.exit = Exit(Ended.LOST)  # a permission that was taken back meanwhile: the task ends with it

    async def _start(self, folder: Path) -> Path:
        """Find where it starts, before anybody is asked. Raises ProgramRefused."""
        if not folder.is_absolute():
            raise ProgramRefused("a program starts in a folder that is said by its whole path")
        folders = self.gate.folders
        try:
            return await asyncio.to_thread(places.start, str(folder), folders, home=self.home, keep_out=self.keep_out)
        except NoPlace as none:
            raise ProgramRefused(str(none)) from None

    def _question(self, argv: Sequence[str], folder: Path, variables: Mapping[str, str], *, confined: bool) -> Approval:
        """Ask for exactly this. It is given the folder that it starts in, and those that its line names."""
        folders = given(folder, [*argv, *variables.values()], self.gate.folders, home=self.home)
        online = self.gate.has(NETWORK)
        kept = "in the sandbox" if confined else "WITHOUT a sandbox, as yourself"
        network = "with the network" if online or not confined else "without the network"
        line, beside = shlex.join(argv), [f"{name}={value}" for name, value in variables.items()]
        having = [f"with {visible(shlex.join(beside))} set"] if beside else []
        at = places.where(folder, self.home)
        may = partial(places.rights, folders, home=self.home, confined=confined)
        rule = ", ".join([f"let {self.agent} run {visible(line)} in {shown(at)}", *having, kept, network, *may(shown)])
        several = "\n" in "".join([*argv, *beside])
        ruled = not several and len(rule.encode(errors="replace")) <= RULE_BYTES
        action: JSON = {
            "argv": list(argv),
            "folder": str(folder),
            "variables": dict(variables),
            "network": online,
            "confined": confined,
            "folders": places.to_json(folders),
        }
        return Approval(
            text=f"May {self.agent} run a program?",
            action=canonical(action),
            preview="\n\n".join(
                [
                    fenced(line),
                    *([f"with these variables:\n\n{fenced(chr(10).join(map(shlex.quote, beside)))}"] if beside else []),
                    f"in {code(at)}, {kept}, {network}",
                    *(f"It {one}." for one in may(code)),
                ]
            ),
            rule=rule if ruled else "",
            permission=TERMINAL if confined else UNCONFINED,
            also=(NETWORK,) if online else (),
            of=action,
        )


async def _stop(running: _Running) -> None:
    if running.work is not None:
        running.work.cancel()
        await asyncio.gather(running.work, return_exceptions=True)
