"""The built-in assistant as an Agent: has each task done in a worker, passes its events on, and asks what is to be asked.

Knows nothing of what a request says. Made by known_agents.py, anew for each task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Result, Task, Turn
from dispatch_host.agents.asking import (
    JSON,
    Allowed,
    Ask,
    Choice,
    Denied,
    NobodyAnswered,
    Said,
)
from dispatch_host.agents.builtin import zone
from dispatch_host.agents.builtin.approvals import approval, undoing
from dispatch_host.agents.builtin.browsing import Visits
from dispatch_host.agents.builtin.commands import Wanted
from dispatch_host.agents.builtin.desk import Desk
from dispatch_host.agents.builtin.desk_grammar import WantedOfDesktop
from dispatch_host.agents.builtin.errand import Errand, Part, part_of
from dispatch_host.agents.builtin.page_grammar import WantedPage
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.request import Outcome, Request
from dispatch_host.agents.builtin.running import Runs
from dispatch_host.agents.builtin.workers import COMMAND, Workers
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Work
from dispatch_host.agents.words import Words
from dispatch_host.changes import Plan, touched
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import KeptOut, lasting

LIMIT_SECONDS = 3600.0  # of one task: a person who waits longer has long cancelled
_MEMORIES = 20  # turns that a follow-up may refer to
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
        self._keep_out = lasting(keep_out)
        given = environment or {}
        self._workers = Workers(command, environment=given, limit_seconds=limit_seconds)
        self._clock = clock or (lambda: datetime.now(zone.local_zone(given.get("TZ", ""))))
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
            async with contextlib.aclosing(self._workers.work(request)) as events:
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
        async with contextlib.aclosing(self._workers.work(request)) as events:
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
            ask_for = partial(undoing, plan) if outcome.undo else partial(approval, plan, outcome.event.text)
            question = await asyncio.to_thread(ask_for, gate.folders)
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
        async with contextlib.aclosing(self._workers.work(doing)) as events:
            async for event in events:
                if isinstance(event, Outcome):
                    yield event.event
                    return
                yield event
        yield NotDone(NotDoneReason.AGENT_FAILED, _FAILED_CHANGING)


async def _answer(ask: Ask, text: str, choices: Sequence[str]) -> str | None:
    """Ask which one is meant; None when nobody says, or there are too many to choose from: then the list is the answer."""
    try:
        question = Choice(text=_WHICH, choices=choices, preview=text)
    except ValueError:
        return None
    reply = await ask.which(question)
    return reply.text if isinstance(reply, Said) else None
