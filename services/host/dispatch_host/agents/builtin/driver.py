"""The built-in assistant as an Agent: starts a worker for each task, passes its events on, and ends it whatever happens.

Knows processes and the wire, nothing of requests. The runner in app.py makes one BuiltIn and calls `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Result, Task, Turn
from dispatch_host.agents.asking import (
    JSON,
    RULE_BYTES,
    Allowed,
    Approval,
    Ask,
    Choice,
    Denied,
    NobodyAnswered,
    Said,
    canonical,
)
from dispatch_host.agents.builtin import wire, zone
from dispatch_host.agents.builtin.browsing import Visits
from dispatch_host.agents.builtin.commands import Wanted
from dispatch_host.agents.builtin.desk import Desk
from dispatch_host.agents.builtin.desk_grammar import WantedOfDesktop
from dispatch_host.agents.builtin.errand import Errand, Part, part_of
from dispatch_host.agents.builtin.page_grammar import WantedPage
from dispatch_host.agents.builtin.program import Outcome, Request
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.running import Runs
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Work
from dispatch_host.agents.words import Words
from dispatch_host.changes import Plan, preview, touched
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import Folder, KeptOut, kept, names

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "dispatch_host.agents.builtin.worker")
LIMIT_SECONDS = 3600.0  # of one task: a person who waits longer has long cancelled
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
_ALWAYS = {"LANG": "C.UTF-8", "PYTHONUTF8": "1"}
_MEMORIES = 20  # turns that a follow-up may refer to
_LONG_BYTES = 256 * 1024
_QUESTIONS = 5  # answers taken within one task
_WHICH = "Which one do you mean?"
_FAILED_CHANGING = (
    "The assistant failed inside while it changed files. Some may be changed: say “undo that” to take that back."
)
_FAILED = "The assistant failed inside while working on this. Nothing was changed; trying again may help."


class BuiltIn:
    """The assistant that needs no key and no network."""

    takes_words = False  # a request is understood whole, or not at all

    def __init__(
        self,
        *,
        home: Path | None = None,
        keep_out: Sequence[Path | KeptOut] = (),
        clock: Callable[[], datetime] | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        limit_seconds: float = LIMIT_SECONDS,
        terminal: Terminal | None = None,
        records: Path | None = None,
        pages: Visits | None = None,
        desktop: Desk | None = None,
    ) -> None:
        """`keep_out` are folders no task may read, whatever is approved: the host's own keys and journal.

        `records` is where it is kept what was changed, for undoing it; without it nothing is changed.

        `home` is what `~` means, `clock` gives the time with its zone. Of `environment` the worker gets what Python needs
        to start, and nothing else. `command` starts a worker: a seam for tests. `terminal` starts programs; without one it
        does not run any, without `pages` it opens none, and without `desktop` it leaves the desktop alone.
        """
        self._home = home or Path.home()
        self._keep_out = kept(keep_out)
        given = environment or {}
        self._environment = {name: given[name] for name in _PASSED_ON if name in given} | _ALWAYS
        self._clock = clock or (lambda: datetime.now(zone.local_zone(given.get("TZ", ""))))
        self._command = tuple(command)
        self._limit_seconds = limit_seconds
        self._runs = None if terminal is None else Runs(terminal, home=self._home, keep_out=self._keep_out)
        self._records = records
        self._pages = pages
        self._desk = desktop

    async def run(
        self, task: Task, *, gate: Gate, history: Sequence[Turn], ask: Ask, words: Words
    ) -> AsyncGenerator[AgentEvent, None]:
        """Do one task in a worker of its own. Closing this generator, or cancelling its reader, kills the worker."""
        del words
        folders = gate.folders
        for folder in folders:
            await gate.use(Permission(Kind.FOLDER, str(folder.path)), "looked through")
        memories: list[Mapping[str, JSON]] = [turn.memory for turn in history if turn.memory][-_MEMORIES:]
        text = task.text
        parts = self._parts()
        question = 0
        while True:
            request = Request(
                text,
                folders,
                memories,
                self._clock(),
                str(self._home),
                self._keep_out,
                inbox=task.inbox,
                attachments=task.attachments,
                task_id=task.task_id,
                earlier=[turn.task_id for turn in history if turn.task_id],
                records=self._records,
                parts=parts,
            )
            outcome: Outcome | None = None
            async with contextlib.aclosing(self._work(request)) as events:
                async for event in events:
                    if isinstance(event, Outcome):
                        outcome = event
                    else:
                        yield event
            if outcome is not None and outcome.errand is not None:
                part = part_of(outcome.errand)
                if part in parts and await self._takes(outcome.errand, memories, gate):
                    errand = self._carry_out(outcome.errand, task=task, memories=memories, gate=gate, ask=ask)
                    async with contextlib.aclosing(errand) as events:
                        async for event in events:
                            yield event
                    return
                if part not in parts:
                    outcome = None  # nobody asked for that
                else:
                    parts -= {part}  # it meant something else
                    continue
            if outcome is not None and outcome.plan is not None:
                async with contextlib.aclosing(self._change(request, outcome, outcome.plan, gate, ask)) as events:
                    async for event in events:
                        yield event
                return
            if outcome is None:
                yield NotDone(NotDoneReason.AGENT_FAILED, _FAILED)
                return
            answer = None
            if outcome.choices and isinstance(outcome.event, Result) and question < _QUESTIONS:
                answer = await _answer(ask, outcome.event.text, outcome.choices)
            if answer is None or not isinstance(outcome.event, Result):
                yield outcome.event
                return
            memories, text, parts, question = [*memories, outcome.event.memory], answer, frozenset(), question + 1

    def _parts(self) -> frozenset[Part]:
        """Say what could be carried out here, so that the worker looks for it in the words."""
        here = {Part.PROGRAMS: self._runs, Part.PAGES: self._pages, Part.DESKTOP: self._desk}
        return frozenset(part for part, does in here.items() if does is not None)

    async def _takes(self, errand: Errand, memories: Sequence[Mapping[str, JSON]], gate: Gate) -> bool:
        """Tell whether an errand is one here and now: "again" only after a program, "open" only where the desktop is permitted."""
        match errand:
            case Wanted():
                return self._runs is not None and self._runs.takes(errand, memories)
            case WantedPage():
                return self._pages is not None
            case WantedOfDesktop():
                return self._desk is not None and await self._desk.takes(errand, gate)

    def _carry_out(
        self, errand: Errand, *, task: Task, memories: Sequence[Mapping[str, JSON]], gate: Gate, ask: Ask
    ) -> AsyncGenerator[AgentEvent, None]:
        """Do what the worker understood. Raises NotPermitted as the gate gave it."""
        match errand:
            case Wanted():
                assert self._runs is not None  # noqa: S101  _takes said so
                return self._runs.run(errand, gate=gate, ask=ask, memories=memories)
            case WantedPage():
                assert self._pages is not None  # noqa: S101  _takes said so
                return self._pages.run(errand, task_id=task.task_id, gate=gate, ask=ask)
            case WantedOfDesktop():
                assert self._desk is not None  # noqa: S101  _takes said so
                return self._desk.run(errand, gate=gate, ask=ask)

    async def consult(self, query: Query, work: Work) -> AsyncGenerator[AgentEvent, None]:
        """Do what a language model asks for as a task of a person's is done: the same worker, plans, questions and undoing.

        Nothing is noted as used here: whoever calls it knows which folder is meant. Closing the generator kills the worker.
        """
        outcome: Outcome | None = None
        request = self._asked(work, query)
        async with contextlib.aclosing(self._work(request)) as events:
            async for event in events:
                if isinstance(event, Outcome):
                    outcome = event
                else:
                    yield event
        if outcome is None:
            yield NotDone(NotDoneReason.AGENT_FAILED, _FAILED)
        elif outcome.plan is None:
            yield outcome.event
        else:
            async with contextlib.aclosing(
                self._change(request, outcome, outcome.plan, work.gate, work.ask)
            ) as events_:
                async for event in events_:
                    yield event

    async def propose(self, plan: Plan, work: Work) -> AsyncGenerator[AgentEvent, None]:
        """Ask for a plan that somebody else made, and carry it out after a yes. Raises changes.BadPlan."""
        written = Plan.from_bytes(plan.to_bytes()).to_bytes()
        changing = self._change(self._asked(work), Outcome(Result("")), written, work.gate, work.ask)
        async with contextlib.aclosing(changing) as events:
            async for event in events:
                yield event

    def _asked(self, work: Work, query: Query | None = None) -> Request:
        task = work.task
        return Request(
            "",
            work.gate.folders,
            (),
            self._clock(),
            str(self._home),
            self._keep_out,
            inbox=task.inbox,
            attachments=task.attachments,
            task_id=task.task_id,
            # What this task changed so far counts, too.
            earlier=[*work.earlier, task.task_id],
            records=self._records,
            query=query,
        )

    async def _change(
        self, request: Request, outcome: Outcome, written: bytes, gate: Gate, ask: Ask
    ) -> AsyncGenerator[AgentEvent, None]:
        """Ask whether a plan may be carried out, and do it in a worker; or undo one, which the person has asked for."""
        plan = await asyncio.to_thread(Plan.from_bytes, written)  # it may be long, and the host has others to serve
        memory = outcome.event.memory
        # A person who says "undo that" has said yes to it. A model that says so has not.
        if not outcome.undo or request.query is not None:
            question = await asyncio.to_thread(_question, plan, outcome, gate.folders)
            match await ask.may(question):
                case Denied():
                    yield NotDone(NotDoneReason.PERSON_DENIED, "You said no, so nothing was changed.", memory)
                    return
                case NobodyAnswered():
                    yield NotDone(NotDoneReason.NOBODY_ANSWERED, "Nobody answered, so nothing was changed.", memory)
                    return
                case Allowed():
                    pass
        # As they are now: while the question was open, a folder may have been taken back.
        folders = gate.folders
        for folder in await asyncio.to_thread(touched, plan, folders):
            wanted = Permission(Kind.FOLDER, str(folder.path), write=True)
            if folder.writable or gate.has(wanted):
                await gate.use(wanted, "undone" if outcome.undo else "changed")
        doing = replace(request, folders=folders, plan=None if outcome.undo else written, undo=outcome.undo)
        async with contextlib.aclosing(self._work(doing)) as events:
            async for event in events:
                if isinstance(event, Outcome):
                    yield event.event
                    return
                yield event
        yield NotDone(NotDoneReason.AGENT_FAILED, _FAILED_CHANGING)

    async def _work(self, request: Request) -> AsyncGenerator[AgentEvent | Outcome, None]:
        """Give the events of one worker; without an Outcome at the end it failed."""
        async with self._worker() as process:
            assert process.stdin is not None  # noqa: S101  both are pipes
            assert process.stdout is not None  # noqa: S101
            deadline = asyncio.get_running_loop().time() + self._limit_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    _write(process.stdin, wire.encode_request(request))
                    await process.stdin.drain()
                while True:
                    async with asyncio.timeout_at(deadline):
                        line = await process.stdout.readline()
                    said = await _decoded(line) if line else None
                    if said is None or isinstance(said, wire.Crashed):
                        where = {"kind": said.kind, "where": said.where} if said else {}
                        log.warning("worker failed", extra={"cause": "crashed" if said else "died", **where})
                        return
                    yield said
                    if isinstance(said, Outcome):
                        return
            except (wire.OutOfBounds, ValueError):  # ValueError: a line longer than LINE_BYTES
                log.warning("worker failed", extra={"cause": "out of bounds"})
            except TimeoutError:
                log.warning("worker failed", extra={"cause": "out of time"})
            except (BrokenPipeError, ConnectionResetError):
                log.warning("worker failed", extra={"cause": "died"})

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Hold a worker in a process group of its own, and leave nothing of it."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may hold contents; where it crashed comes over the wire
            env=self._environment,
            cwd="/",
            start_new_session=True,
            limit=wire.LINE_BYTES,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()


def _question(plan: Plan, outcome: Outcome, folders: Sequence[Folder]) -> Approval:
    return undoing(plan, folders) if outcome.undo else approval(plan, outcome.event.text, folders)


async def _decoded(line: bytes) -> AgentEvent | Outcome | wire.Crashed:
    """Read what the worker wrote; a long plan aside, for the host has others to serve."""
    return wire.decode(line) if len(line) < _LONG_BYTES else await asyncio.to_thread(wire.decode, line)


def approval(plan: Plan, remarks: str, folders: Sequence[Folder]) -> Approval:
    """Write the question whether a plan may be carried out. A rule stands on one folder, or there is none."""
    where = touched(plan, folders)
    shown = preview(plan, folders)
    rule = f"change files in {names.exact(str(where[0].path))}" if len(where) == 1 else ""
    needed = [Permission(Kind.FOLDER, str(folder.path), write=True) for folder in where]
    ruled = len(rule.encode()) <= RULE_BYTES and rule != ""
    return Approval(
        text=f"{plan.title}?",
        action=plan.to_bytes(),
        preview=f"{shown}\n\n{_remarked(remarks)}" if remarks else shown,
        rule=rule if ruled else "",
        permission=needed[0] if needed else None,
        also=needed[1:],
    )


def _remarked(remarks: str) -> str:
    """Quote what the worker says of a plan, below the plan: whatever it is, it is seen to be no part of it."""
    lines = "\n".join(f"> {names.visible(line)}" for line in remarks.split("\n"))
    return f"Remarks, which are no part of this:\n\n{lines}"


def undoing(plan: Plan, folders: Sequence[Folder]) -> Approval:
    """Write the question whether a change may be taken back, which no yes to another one covers."""
    return Approval(
        text=f"Undo: {plan.title}?",
        action=canonical({"tool": "undo", "plan": plan.digest.hex()}),
        preview=f"Take this back:\n\n{preview(plan, folders)}",
    )


async def _answer(ask: Ask, text: str, choices: Sequence[str]) -> str | None:
    """Ask which one is meant; None when nobody says, or there are too many to choose from: then the list is the answer."""
    try:
        question = Choice(text=_WHICH, choices=choices, preview=text)
    except ValueError:
        return None
    reply = await ask.which(question)
    return reply.text if isinstance(reply, Said) else None


def _write(pipe: asyncio.StreamWriter, line: bytes) -> None:
    """Write to a worker. Raises BrokenPipeError when it has died before it was asked."""
    try:
        pipe.write(line)
    except RuntimeError as closed:  # what uvloop raises; asyncio's own loop says it when the pipe is drained
        raise BrokenPipeError from closed
