"""One task's questions, from the agent's `ask` to what it hears; and the words that a person adds.

The journal is what counts: here is waited for what stands there. `look` is said when there may be something new.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dispatch import errors
from dispatch.clock import Clock
from dispatch.ids import ID_BYTES, Rng
from dispatch.runtime.logs import get_logger
from dispatch.tracing import UNTOLD, Traces, span_of

from dispatch_host import answers, questions
from dispatch_host.agents.asking import Allowed, Approval, Choice, Denied, NobodyAnswered, Question, Reach, Said
from dispatch_host.journal import Tx
from dispatch_host.journal.values import AuditVerdict, StoredQuestion, StoredTask
from dispatch_host.permissions.gate import TaskGate
from dispatch_host.permissions.held import Held
from dispatch_host.questions import Heard
from dispatch_host.scribe import Scribe
from dispatch_host.watchdog import Watchdog

_LOG = get_logger()


MOST_TAKEN_BACK = 8
"""Questions that an agent may take back before a person has answered one: each calls them, and stands in the thread. Behind
these nobody is asked, which the agent hears as silence."""


class Store(Protocol):
    """Runs a step of the journal until it is on the disk."""

    def __call__(self, work: Callable[[Tx], Any], /) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What asking needs of the host. Fixed for the process."""

    store: Store
    scribe: Scribe
    clock: Clock
    rng: Rng
    held: Held
    answer_seconds: float
    wrote: Callable[[int], None]
    """Hears that a thread has news in the outbox."""
    wrote_anywhere: Callable[[], None]
    """The same of any thread: all that wait hear of a question."""
    counted: Callable[[str], None]
    """Counts how a question ended."""
    traces: Traces = UNTOLD


@dataclass(slots=True)
class Asker:
    """The `Ask` of one task."""

    task: StoredTask
    floor: Floor
    gate: TaskGate
    watchdog: Watchdog
    settled: Callable[[], Awaitable[None]]
    """Waits until what the agent did so far is in the thread: a question stands behind it."""
    is_ending: Callable[[], bool]
    """Tells whether somebody ends the task; then its end closes the question."""
    _rules: dict[bytes, str] = field(default_factory=dict)  # allowed for this task, by whom
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one question at a time
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _taken_back: int = 0  # questions that the agent did not wait for, since a person answered one

    def look(self) -> None:
        """Hear that somebody may have answered."""
        self._news.set()

    async def may(self, question: Approval) -> Allowed | Denied | NobodyAnswered:
        async with self._turn:
            for permission in question.stands_on:
                if not self.gate.has(permission):
                    # No yes of a person stands in for a permission of the owner's.
                    await self.gate.use(permission, question.text)
            # What is taken back while the question is open ends the task: an answer must not outlive what it is about.
            self.gate.needs(question.stands_on)
            if (known := self._known(question)) is not None:
                await self.gate.note(question.rule, question.text, AuditVerdict.BY_RULE, by=known.by)
                return known
            reply = await self._put(question)
            assert not isinstance(reply, Said)  # noqa: S101 -- admission takes no words for an approval
            if isinstance(reply, Allowed):
                if reply.reach is Reach.TASK:
                    self._rules[question.rule_digest] = reply.by
                elif reply.reach is Reach.ALWAYS:
                    await self.floor.held.load()
            return reply

    async def which(self, question: Choice) -> Said | NobodyAnswered:
        async with self._turn:
            reply = await self._put(question)
            assert isinstance(reply, Said | NobodyAnswered)  # noqa: S101 -- as above
            return reply

    def _known(self, question: Approval) -> Allowed | None:
        """Give the yes that a rule gives: exactly this rule, on exactly these permissions."""
        if not question.rule:
            return None
        by = self._rules.get(question.rule_digest)
        if by is not None:
            return Allowed(Reach.TASK, by)
        for one in self.floor.held.rules:
            if one.digest == question.rule_digest:
                return Allowed(Reach.ALWAYS, one.by)
        return None

    async def _put(self, question: Question) -> Heard:
        """Ask, and wait for an answer, the end of the time, or the end of the task."""
        if self._taken_back >= MOST_TAKEN_BACK:
            return NobodyAnswered()
        floor, task = self.floor, self.task
        await self.settled()
        question_id = floor.rng(ID_BYTES)
        within_ms = round(floor.answer_seconds * 1000)
        stored = StoredQuestion(
            question_id=question_id,
            task_id=task.task_id,
            content=answers.asked(question_id, question, within_ms=within_ms).SerializeToString(),
            stands_on=question.stands_on if isinstance(question, Approval) else frozenset(),
            rule_digest=question.rule_digest if isinstance(question, Approval) else b"",
            asked_at_ms=floor.clock.wall_ms(),
        )
        reply: Heard | None = None
        try:
            with self.watchdog.stands_still():
                if not await floor.store(lambda tx: questions.ask(tx, floor.scribe, task, stored)):
                    return NobodyAnswered()
                floor.wrote_anywhere()
                _LOG.info("asked", task=task.task_id, pairing=task.pair_id)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(floor.answer_seconds):
                        reply = await self._wait(question_id)
                if reply is None:
                    reply = await self._give_up(question_id, errors.NobodyAnswered())
                else:
                    floor.wrote_anywhere()
        finally:
            if reply is None and not self.is_ending():
                # The agent does not wait any longer, and works on: the question must not stay open.
                self._taken_back += 1
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(asyncio.ensure_future(self._give_up(question_id, errors.QuestionClosed())))
            floor.counted(_word(reply))
            floor.traces.span(
                "step",
                task.task_id,
                start_ms=stored.asked_at_ms,
                end_ms=floor.clock.wall_ms(),
                parent_id=span_of(task.task_id, "running"),
                kind="question",
                outcome=_word(reply),
            )
        if not isinstance(reply, NobodyAnswered):
            self._taken_back = 0
        return reply

    async def _wait(self, question_id: bytes) -> Heard:
        while True:
            self._news.clear()
            reply: Heard | None = await self.floor.store(lambda tx: questions.heard(tx, question_id))
            if reply is not None:
                return reply
            await self._news.wait()

    async def _give_up(self, question_id: bytes, why: errors.DispatchError) -> Heard:
        floor = self.floor
        reply: Heard = await floor.store(
            lambda tx: questions.give_up(tx, floor.scribe, self.task, question_id, why.reason)
        )
        floor.wrote_anywhere()
        return reply


ENDINGS = ("once", "task", "always", "denied", "said", "nobody", "closed")
"""How a question can end, for the metrics."""


def _word(reply: Heard | None) -> str:
    match reply:
        case Allowed(reach=reach):
            return reach.value
        case Denied():
            return "denied"
        case Said():
            return "said"
        case NobodyAnswered():
            return "nobody"
        case None:
            return "closed"


@dataclass(slots=True)
class Steering:
    """The `Words` of one task."""

    task: StoredTask
    floor: Floor

    async def take(self) -> Sequence[str]:
        floor, task = self.floor, self.task
        taken: Sequence[str] = await floor.store(lambda tx: questions.hand_words(tx, floor.scribe, task))
        if taken:
            floor.wrote(task.thread)
        return taken
