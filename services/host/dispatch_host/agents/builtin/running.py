"""Runs what commands.py understood: finds the folder, shows the exact command, asks, starts it, answers with the end of its output.

In the host's process, where the sandbox is started from; what is read of files is their names and the head of few. Called by
the driver with what the worker understood. What a person approved is what runs: it is read back from the bytes that the answer
is bound to.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import re
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch_host.agents import places
from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Result, Step, Text
from dispatch_host.agents.asking import (
    CHOICES_BYTES,
    CHOICES_LIMIT,
    JSON,
    RULE_BYTES,
    Approval,
    Ask,
    Choice,
    Denied,
    NobodyAnswered,
    Said,
    canonical,
)
from dispatch_host.agents.builtin import about, committing
from dispatch_host.agents.builtin.commands import FOLLOWS, Kind, Wanted
from dispatch_host.agents.builtin.markdown import Answer, code
from dispatch_host.agents.builtin.projects import NoRepository, Order, Several, order
from dispatch_host.agents.terminal import NoSandbox, Terminal
from dispatch_host.markdown import fenced
from dispatch_host.permissions.permission import NETWORK, TERMINAL, UNCONFINED
from dispatch_host.sandbox.program import Ended, Exit, NoProgram, Output
from dispatch_host.scope import Folder, FolderNotApproved, KeptOut, NoSuchFolder, Scope, shown, visible
from dispatch_host.scope.given import given

_TITLE_CHARACTERS = 80
_NO_REPOSITORY = (
    "None of the approved folders is a git repository, nor is one directly in them. Name it, as in"
    " \u201cgit status in ~/code/x\u201d."
)
LINES = 40  # of the output, unless a person asks for more
_TAIL_BYTES = 24 * 1024
_LIVE_BYTES = 256 * 1024  # of output that is shown as it comes; the end is in the answer
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_WHY = {
    Ended.OUT_OF_TIME: "took too long and was ended",
    Ended.OUT_OF_MEMORY: "took more memory than programs may, and was ended",
    Ended.TOO_MANY_PROCESSES: "started more processes than programs may, and was ended",
    Ended.TOO_MUCH_OUTPUT: "wrote without end, and was ended",
    Ended.NOT_STARTED: "could not be started",
    Ended.LOST: "was lost: what kept it died, and it was ended",
}


@dataclass(frozen=True, slots=True)
class Earlier:
    """The program that ran last in the thread."""

    order: Order
    tail: str = field(repr=False)

    def to_json(self) -> dict[str, JSON]:
        """Write what a later task may refer to: it stays on the host."""
        steps = [list(step) for step in self.order.steps]
        return {"program": {"steps": steps, "folder": str(self.order.folder), "tail": self.tail}}

    @classmethod
    def from_json(cls, memory: Mapping[str, JSON]) -> Earlier | None:
        """Read it back; None for what is something else."""
        said = memory.get("program")
        try:
            steps = [[str(word) for word in step] for step in said["steps"]]  # type: ignore[call-overload, index, union-attr]
            return cls(Order(steps, Path(said["folder"])), str(said["tail"]))  # type: ignore[arg-type, call-overload, index]
        except (KeyError, TypeError):
            return None


class Runs:
    """What the built-in assistant does with programs."""

    def __init__(self, terminal: Terminal, *, home: Path, keep_out: Sequence[KeptOut]) -> None:
        """The arguments are the driver's."""
        self._terminal = terminal
        self._home = home
        self._keep_out = keep_out

    def takes(self, wanted: Wanted, memories: Sequence[Mapping[str, JSON]]) -> bool:
        """Tell whether a request is one for this. "Again" is only one after a program."""
        return wanted.kind not in FOLLOWS or self._earlier(memories) is not None

    async def run(
        self, wanted: Wanted, *, gate: Gate, ask: Ask, memories: Sequence[Mapping[str, JSON]]
    ) -> AsyncGenerator[AgentEvent, None]:
        """Do it. Raises NotPermitted as the gate gave it."""
        earlier = self._earlier(memories)
        if wanted.kind is Kind.OUTPUT and earlier is not None:
            yield Result(_answer("The end of its output:", earlier.tail, wanted.lines or 10 * LINES), earlier.to_json())
            return
        found = await self._order(wanted, earlier, _last_folder(memories), gate, ask)
        if not isinstance(found, Order):
            yield found
            return
        async with contextlib.aclosing(self.carry(found, gate=gate, ask=ask)) as events:
            async for event in events:
                yield event

    async def carry(
        self, found: Order, *, gate: Gate, ask: Ask, lines: int = LINES
    ) -> AsyncGenerator[AgentEvent, None]:
        """Show an order, ask, and start it after a yes; the answer has the last `lines` of its output.

        Raises NotPermitted as the gate gave it.
        """
        try:
            confined = await self._terminal.is_confined(gate, found.steps[0][0])
        except NoSandbox as missing:
            yield NotDone(NotDoneReason.SANDBOX_UNAVAILABLE, _no_sandbox(missing))
            return
        words = [word for step in found.steps for word in step]
        folders = given(found.folder, words, gate.folders, home=self._home)
        held = ""
        if found.commits:
            if isinstance(
                looked := await self._holds(found, gate, folders) if confined else committing.NOT_LOOKED, NotDone
            ):
                yield looked
                return
            held = looked
        question = self._question(found, folders, confined=confined, network=gate.has(NETWORK), held=held)
        reply = await ask.may(question)
        if isinstance(reply, Denied):
            yield NotDone(NotDoneReason.PERSON_DENIED, "Nothing was started: the answer was no.")
        elif isinstance(reply, NobodyAnswered):
            yield NotDone(NotDoneReason.NOBODY_ANSWERED, "Nothing was started: nobody answered whether it may be.")
        else:
            async with contextlib.aclosing(self._carry_out(question.action, gate, lines)) as events:
                async for event in events:
                    yield event

    async def _holds(self, found: Order, gate: Gate, folders: Sequence[Folder]) -> str | NotDone:
        """Have git say what a commit of everything would hold, in the sandbox and able to change nothing."""
        output, ended = b"", Exit(Ended.LOST)
        looking = self._terminal.run_program(
            committing.LOOK,
            found.folder,
            committing.LIMITS,
            gate=gate,
            network=False,
            folders=committing.to_read(folders),
        )
        try:
            async with contextlib.aclosing(looking) as events:
                async for event in events:
                    if isinstance(event, Output):
                        output += event.data
                    else:
                        ended = event
        except NoProgram as cannot:
            return NotDone(NotDoneReason.FOLDER_NOT_APPROVED, f"Nothing was started: {cannot}.")
        except NoSandbox as missing:
            return NotDone(NotDoneReason.SANDBOX_UNAVAILABLE, _no_sandbox(missing))
        if ended.code == 0:
            return committing.holds(output)
        said = _plain(output[-_TAIL_BYTES:].decode(errors="replace"))
        head = f"Nothing was committed: git can't say what the commit of {code(places.where(found.folder, self._home))} would hold."
        return NotDone(NotDoneReason.PROGRAM_FAILED, _answer(head, said, LINES))

    def _earlier(self, memories: Sequence[Mapping[str, JSON]]) -> Earlier | None:
        return Earlier.from_json(memories[-1]) if memories else None

    async def _order(
        self, wanted: Wanted, earlier: Earlier | None, last: Path | None, gate: Gate, ask: Ask
    ) -> Order | NotDone | Result:
        """Find what to start, and where; asks where that is not clear. `last` is where a program of the thread ran last."""
        folders = gate.folders
        if not folders:
            return NotDone(NotDoneReason.FOLDER_NOT_APPROVED, about.none_approved())
        if wanted.kind is Kind.AGAIN and earlier is not None:
            return earlier.order
        if wanted.kind is Kind.COMMIT and not wanted.message:
            reply = await ask.which(Choice(text="Which message shall the commit have?"))
            if not isinstance(reply, Said):
                return NotDone(NotDoneReason.NOBODY_ANSWERED, "Nothing was committed: it has no message.")
            wanted = Wanted(kind=wanted.kind, folder=wanted.folder, message=reply.text)

        def look(said: str | None) -> Order | Several | NotDone | Result:
            with Scope(folders, keep_out=self._keep_out) as scope:
                try:
                    return order(
                        wanted,
                        scope,
                        said=said,
                        home=str(self._home),
                        last=last,
                    )
                except FolderNotApproved as missing:
                    labels = [root.label for root in scope.roots]
                    return NotDone(NotDoneReason.FOLDER_NOT_APPROVED, about.not_approved(missing.said, labels))
                except NoSuchFolder as missing:
                    return Result(f"There is no folder {code(missing.said)}.")
                except NoRepository:
                    return Result(_NO_REPOSITORY)

        found = await asyncio.to_thread(look, wanted.folder)
        if isinstance(found, Several):
            choices = _fitting(found.paths)
            left = len(found.paths) - len(choices)
            rest = f"{left} more did not fit into this question. Name the folder in the request to mean one of them."
            reply = await ask.which(Choice(text=found.question, choices=choices, preview=rest if left else ""))
            if not isinstance(reply, Said):
                listed = "\n".join([*(f"- {code(path)}" for path in choices), *([f"- … {rest}"] if left else [])])
                return NotDone(NotDoneReason.NOBODY_ANSWERED, f"Nothing was started. {found.question}\n\n{listed}")
            found = await asyncio.to_thread(look, reply.text)
        return Result("There is more than one of that name.") if isinstance(found, Several) else found

    def _question(
        self, found: Order, folders: Sequence[Folder], *, confined: bool, network: bool, held: str = ""
    ) -> Approval:
        """Ask for exactly this. `held` is what a commit will hold.

        The rule is the whole command with its folders; a commit's message never comes twice.
        """
        where = places.where(found.folder, self._home)
        lines = "\n".join(shlex.join(step) for step in found.steps)
        kept = "in the sandbox" if confined else "WITHOUT a sandbox, as yourself"
        online = "with the network" if network or not confined else "without the network"
        rights = places.rights(folders, shown, home=self._home, confined=confined)
        rule = ", ".join([f"run {visible(lines)} in {shown(where)}", kept, online, *rights])
        preview = [fenced(lines), f"in {code(where)}, {kept}, {online}"]
        preview += [f"It {line}." for line in places.rights(folders, code, home=self._home, confined=confined)]
        preview += [held] if held else []
        once = found.commits or "\n" in lines or len(rule.encode(errors="replace")) > RULE_BYTES
        action: JSON = {
            "tool": "run_program",
            "steps": [list(step) for step in found.steps],
            "folder": str(found.folder),
            "network": network,
            "confined": confined,
            "folders": places.to_json(folders),
        }
        return Approval(
            text=_title(found.steps),
            action=canonical(action),
            preview="\n\n".join(preview),
            rule="" if once else rule,
            permission=TERMINAL if confined else UNCONFINED,
            also=(NETWORK,) if network else (),
            of=action,
        )

    async def _carry_out(self, action: bytes, gate: Gate, lines: int) -> AsyncGenerator[AgentEvent, None]:
        """Start what was approved, one step after the other until one fails."""
        said = json.loads(action)
        folder, ended, tail, line = Path(said["folder"]), Exit(Ended.LOST), b"", ""
        live = 0
        for step in said["steps"]:
            line = shlex.join(step)
            yield Step(f"Running {shown(step[0])}", shown(line)[:1000])
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            running = self._terminal.run_program(
                step,
                folder,
                gate=gate,
                network=said["network"],
                confined=said["confined"],
                folders=places.from_json(said["folders"]),
            )
            try:
                async with contextlib.aclosing(running) as events:
                    async for event in events:
                        if isinstance(event, Output):
                            tail = (tail + event.data)[-_TAIL_BYTES:]
                            live += len(event.data)
                            if live <= _LIVE_BYTES:
                                yield Text(_plain(decoder.decode(event.data)))
                        else:
                            ended = event
            except NoProgram as cannot:
                yield NotDone(NotDoneReason.FOLDER_NOT_APPROVED, f"Nothing was started: {cannot}.")
                return
            except NoSandbox as missing:
                yield NotDone(NotDoneReason.SANDBOX_UNAVAILABLE, _no_sandbox(missing))
                return
            if ended.code != 0:
                break
        output = _plain(tail.decode(errors="replace"))
        memory = Earlier(Order(said["steps"], folder), output).to_json()
        if ended.code is None:
            text = _answer(f"{code(line)} {_WHY[ended.ended]}.", output, lines)
            yield NotDone(NotDoneReason.AGENT_FAILED, text, memory)
            return
        end = f"ended with code {ended.code}" if ended.code else "ended well"
        text = _answer(f"{code(line)} in {code(places.where(folder, self._home))} {end}.", output, lines)
        yield NotDone(NotDoneReason.PROGRAM_FAILED, text, memory) if ended.code else Result(text, memory)


def _last_folder(memories: Sequence[Mapping[str, JSON]]) -> Path | None:
    """Give where the newest program of the thread ran, whatever was asked since."""
    programs = (Earlier.from_json(memory) for memory in reversed(memories))
    return next((one.order.folder for one in programs if one is not None), None)


def _title(steps: Sequence[Sequence[str]]) -> str:
    """Name what is to be started, so that it is known where only a title is shown. The preview has the whole."""
    lines = "; ".join(shlex.join(step) for step in steps)
    return f"Run {code(lines if len(lines) <= _TITLE_CHARACTERS else f'{lines[:_TITLE_CHARACTERS]}…')}?"


def _fitting(paths: Sequence[str]) -> Sequence[str]:
    """Give as many of them as one question holds, by their number and by their bytes."""
    room, fitting = CHOICES_BYTES, []
    for path in paths[:CHOICES_LIMIT]:
        room -= len(path.encode(errors="replace"))
        if room < 0:
            break
        fitting.append(path)
    return fitting


def _answer(head: str, output: str, lines: int) -> str:
    """Write the end of an output below its heading, and how much is left out."""
    answer = Answer()
    answer.add(head)
    every = output.rstrip().splitlines()
    if not every:
        answer.add("It wrote nothing." if head.endswith(".") else "It is empty.")
        return answer.text()
    if len(every) > lines:
        answer.add(f"The last {lines} lines of its output:")
    answer.fenced("\n".join(every[-lines:]))
    return answer.text()


def _plain(text: str) -> str:
    """Take colours and moves of a terminal out of an output, and of a line that was written over what it was last."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    text = "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


def _no_sandbox(missing: NoSandbox) -> str:
    return (
        f"Programs can't be started on this computer: there is no sandbox for them. {missing.why} {missing.advice}\n\n"
        "Its owner may accept that they run without one: `dispatch-host permissions allow terminal --without-sandbox`."
    )
