"""What a person or a program is told of a task: the states and events of docs/cli.md, from the facts that are known.

Pure. The sealed word of the host outranks the relay's: what contradicts it is shown as tampering, never believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dispatch import errors
from dispatch.words import ENGLISH

from mobile_sim.facts import Fact, Kind


class State(StrEnum):
    """Where a task stands, as far as this phone knows."""

    NEW = "new"
    SENT = "sent"
    HANDED_OVER = "handed_over"
    UNCONFIRMED = "unconfirmed"
    NOT_SENT = "not_sent"
    DROPPED = "dropped"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    WAITING = "waiting"
    RUNNING = "running"
    ASKING = "asking"
    OUT_OF_CONTACT = "out_of_contact"
    DISMISSED = "dismissed"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    DENIED = "denied"
    TIMED_OUT = "timed_out"


ON_THE_WAY = frozenset({State.NEW, State.SENT, State.HANDED_OVER, State.UNCONFIRMED})
"""Nobody has said yes or no."""
WITH_HOST = frozenset({State.ACCEPTED, State.WAITING, State.RUNNING, State.ASKING})
OUTCOMES = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.INTERRUPTED, State.DENIED, State.TIMED_OUT})
UNSENT = frozenset({State.NOT_SENT, State.REFUSED})
"""In the outbox: it never ran, its words are kept, and it goes out again only when the person says so."""
OVER = OUTCOMES | UNSENT | {State.DROPPED}

_BEFORE = ON_THE_WAY | UNSENT | {State.DROPPED}

# The states in which a fact moves the task, and where to. Anywhere else the fact is noted and moves nothing: a relay
# may repeat, reorder or lie, and none of that may move a task that is over, or back one that the host has.
STEPS: dict[Kind, tuple[frozenset[State], State]] = {
    Kind.SENT: (_BEFORE, State.SENT),
    Kind.HANDED_OVER: (frozenset({State.SENT, State.UNCONFIRMED}), State.HANDED_OVER),
    Kind.TAKEN: (frozenset({State.SENT, State.UNCONFIRMED}), State.HANDED_OVER),
    Kind.UNCONFIRMED: (frozenset({State.SENT, State.HANDED_OVER}), State.UNCONFIRMED),
    # These two end the task only when no attempt of it may run; with one that may it is unconfirmed (`_next`).
    Kind.REFUSED: (ON_THE_WAY, State.REFUSED),
    Kind.NOT_SENT: (ON_THE_WAY, State.NOT_SENT),
    Kind.DROPPED: (UNSENT, State.DROPPED),
    Kind.ACCEPTED: (_BEFORE, State.ACCEPTED),
    Kind.SCHEDULED: (_BEFORE, State.ACCEPTED),
    Kind.WAITING: (_BEFORE | {State.ACCEPTED}, State.WAITING),
    Kind.STARTED: (_BEFORE | {State.ACCEPTED, State.WAITING}, State.RUNNING),
    Kind.ASKING: (_BEFORE | WITH_HOST, State.ASKING),
    Kind.ANSWERED: (frozenset({State.ASKING}), State.RUNNING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task as it can be shown."""

    state: State = State.NEW
    attempt: int = 0
    """The one that counts: the last sent, or the one that the host took."""
    reason: str = ""
    retry_after_ms: int = 0
    text: str = ""
    """The result so far, Markdown."""
    said: str = ""
    """The host's sentence at the end."""
    away: str = ""
    """Why the host is out of contact; empty while it is in contact."""
    dismissed: bool = False
    """Whether the person waits no longer; what the host says of it is shown all the same."""
    tampering: bool = False
    here: bool = False
    """Whether this phone answers it itself."""
    scheduled: bool = False
    """Whether the host itself began it, as its owner set up there."""
    position: int = 0
    """Its place in line while it waits."""
    waits_for_answer: bool = False
    """Whether the task before all asks a person, while it waits."""
    asking_task_id: str = ""
    """Which, if it is this phone's."""
    question: str = ""
    """What it asks, while it asks."""
    choices: tuple[str, ...] = ()
    """The words that answer it; none where any words do."""
    is_approval: bool = False
    """Whether it asks for leave to do something; else it is a choice, in the agent's own words."""
    asked_at_ms: int = 0
    may_run: frozenset[int] = frozenset()
    """The attempts that were sent and of which nobody has said that they never run. With one of them the task is not over."""
    taken: frozenset[int] = frozenset()
    """Those of them that have their go, by the relay's word or by this phone's own."""
    denied_attempts: frozenset[int] = frozenset()
    """Those of which the relay said that they never ran."""
    at_ms: int = 0

    @property
    def shown_state(self) -> State:
        """Give the state with the contact to the host in it."""
        if self.dismissed and self.may_be_dismissed:
            return State.DISMISSED
        return State.OUT_OF_CONTACT if self.away and self.is_the_hosts else self.state

    @property
    def may_be_dismissed(self) -> bool:
        """Whether nothing can be heard of it just now: its host is out of contact, or its verdict is."""
        return self.state is State.UNCONFIRMED or bool(self.away and self.is_the_hosts)

    @property
    def awaits_host(self) -> bool:
        """Whether an attempt of it has its go and the host's own word is still to come."""
        return self.state in ON_THE_WAY and bool(self.taken)

    @property
    def is_the_hosts(self) -> bool:
        """Whether only the host can say what becomes of it, as it says itself or as the go for it shows."""
        return self.state in WITH_HOST or self.awaits_host

    @property
    def over(self) -> bool:
        return self.state in OVER


def after(view: TaskView, fact: Fact) -> TaskView:
    """Take one more fact in."""
    view = _counted(view, fact)
    state = _next(view, fact)
    moves = state is not view.state
    moved = replace(view, state=state, at_ms=fact.at_ms, dismissed=view.dismissed and not moves)  # news undo it
    match fact.kind:
        case Kind.SENT if moves or view.state in _BEFORE:
            return replace(moved, attempt=fact.attempt, reason="", retry_after_ms=0, dismissed=False)
        case Kind.REFUSED | Kind.NOT_SENT if moves or (fact.attempt == view.attempt and view.state in ON_THE_WAY):
            return replace(moved, reason=fact.reason, retry_after_ms=fact.retry_after_ms)
        case Kind.ACCEPTED:
            false = fact.attempt in view.denied_attempts
            return replace(moved, attempt=fact.attempt, reason="", retry_after_ms=0, tampering=view.tampering or false)
        case Kind.ROUTED:
            return replace(moved, here=fact.path == "here")
        case Kind.SCHEDULED:
            return replace(moved, scheduled=True)
        case Kind.WAITING if moved.state is State.WAITING:
            return replace(moved, position=fact.position, waits_for_answer=fact.asking, asking_task_id=fact.detail)
        case Kind.ASKING if moved.state is State.ASKING:
            return replace(
                moved,
                question=fact.text,
                choices=fact.choices,
                is_approval=bool(fact.digest),
                asked_at_ms=fact.at_ms,
            )
        case Kind.TEXT:
            return replace(moved, text=view.text + fact.text)
        case Kind.OUT_OF_CONTACT if view.is_the_hosts:
            return replace(moved, away=fact.reason)
        case Kind.BACK:
            return replace(moved, away="", dismissed=False)
        case Kind.DISMISSED:
            return replace(moved, dismissed=view.may_be_dismissed)
        case Kind.ENDED if moves:
            return replace(moved, reason=fact.reason, said=fact.text, away="")
    return moved


def view_of(facts: Sequence[Fact]) -> TaskView:
    """Take all facts in, in their order."""
    view = TaskView()
    for fact in facts:
        view = after(view, fact)
    return view


_OUTDONE = "ATTEMPT_SUPERSEDED"
_OF_ONE_ATTEMPT = frozenset({Kind.HANDED_OVER, Kind.TAKEN, Kind.UNCONFIRMED, Kind.REFUSED, Kind.NOT_SENT})
_DENIALS = frozenset({Kind.REFUSED, Kind.NEVER_STORED})


def _counted(view: TaskView, fact: Fact) -> TaskView:
    """Keep account of the attempts: which may run, which have their go, and which the relay denied."""
    one = frozenset({fact.attempt})
    if fact.kind is Kind.SENT:
        return replace(view, may_run=view.may_run | one)
    if fact.kind is Kind.TAKEN:
        return replace(view, taken=view.taken | (one & view.may_run))
    if fact.kind in _DENIALS:
        # The relay's word, and false when the host says that it has the attempt, before it or behind it.
        false = view.state not in _BEFORE and fact.attempt == view.attempt
        view = replace(view, denied_attempts=view.denied_attempts | one, tampering=view.tampering or false)
        # The first verdict counts; and what outdid the newest attempt that is known here may run in its place.
        ran = view.taken | (one if fact.reason == _OUTDONE and fact.attempt == view.attempt else frozenset())
        return replace(view, may_run=view.may_run - (one - ran))
    return view


def _next(view: TaskView, fact: Fact) -> State:
    if fact.kind is Kind.ENDED:
        return view.state if view.state in OUTCOMES else State(fact.outcome)
    if fact.kind in _OF_ONE_ATTEMPT and fact.attempt != view.attempt:
        # The last verdict that was out may be the one on an older attempt.
        late = fact.kind is Kind.REFUSED and view.state is State.UNCONFIRMED and not view.may_run
        return State.REFUSED if late else view.state
    if fact.kind in (Kind.REFUSED, Kind.NOT_SENT) and view.state in ON_THE_WAY and view.may_run:
        # Another attempt may run, so nobody can say that the task never did.
        return State.UNCONFIRMED
    sources, target = STEPS.get(fact.kind, (frozenset[State](), view.state))
    return target if view.state in sources else view.state


_AWAY_ADVICE = ENGLISH.cases["OUT_OF_CONTACT"].advice
_UNCONFIRMED = ENGLISH.cases["UNCONFIRMED"]
_EARLIER_TEXT = ENGLISH.cases["EARLIER_ATTEMPT"].sentence
_NOT_SENT = ENGLISH.cases["NOT_SENT"].sentence
_RESEND = " ".join((ENGLISH.cases["RESEND"].sentence, ENGLISH.cases["RESEND"].advice))
_TAMPERING = ENGLISH.cases["TAMPERING"]
_ADVICE = {State.OUT_OF_CONTACT: _AWAY_ADVICE, State.UNCONFIRMED: _UNCONFIRMED.advice}

Event = dict[str, Any]


def event_of(view: TaskView, fact: Fact) -> Event | None:
    """Give the event that a fact is worth to somebody who follows the task; `view` is the view with the fact in it."""
    event: Event = {"event": fact.kind.value}
    match fact.kind:
        case Kind.ROUTED:
            event |= {"where": fact.path, "text": fact.text}
        case Kind.SENT:
            event |= {"attempt": fact.attempt, "path": fact.path or "relay"}
        case Kind.HANDED_OVER:
            event["attempt"] = fact.attempt
        case Kind.UNCONFIRMED:
            event |= {"attempt": fact.attempt, "text": _UNCONFIRMED.sentence}
        case Kind.REFUSED | Kind.NOT_SENT if view.state is State.UNCONFIRMED and fact.attempt == view.attempt:
            event |= {
                "event": Kind.UNCONFIRMED.value,
                "attempt": fact.attempt,
                "reason": fact.reason,
                "text": f"{errors.of_word(fact.reason).sentence} {_EARLIER_TEXT}",
            }
        case Kind.ACCEPTED:
            event["attempt"] = fact.attempt
            if view.tampering:
                event["tampering"] = True
        case Kind.SCHEDULED:
            event |= {"text": fact.text, "due_at": fact.due_at_ms, "late": fact.late}
        case Kind.WAITING:
            event |= {"position": fact.position, "asking": fact.asking}
            if fact.detail:
                event["asking_task_id"] = fact.detail
        case Kind.STARTED:
            event["agent"] = fact.agent
        case Kind.STEP:
            event |= {"title": fact.text} | ({"detail": fact.detail} if fact.detail else {})
        case Kind.TEXT:
            event["text"] = fact.text
        case Kind.ARTIFACT:
            event |= {"file_id": fact.detail, "name": fact.text, "size": fact.size}
        case Kind.ASKING:
            event |= {"question_id": fact.question_id, "text": fact.text, "choices": list(fact.choices)}
            event |= {"detail": fact.detail, "answer_within_ms": fact.within_ms}
            if fact.digest:
                event |= {"digest": fact.digest, "rule": fact.rule or None}
        case Kind.ANSWERED:
            event |= {"question_id": fact.question_id, "text": fact.text, "by": fact.by}
            if fact.reason:
                event |= {"reason": fact.reason, "advice": errors.of_word(fact.reason).advice}
        case Kind.STEERED:
            event["text"] = fact.text
        case Kind.STEER_REFUSED:
            event |= {"text": fact.text, "reason": fact.reason, "advice": errors.of_word(fact.reason).advice}
        case Kind.OUT_OF_CONTACT:
            event |= {"reason": fact.reason, "text": errors.of_word(fact.reason).sentence, "advice": _AWAY_ADVICE}
        case Kind.BACK:
            pass
        case _:
            return None
    return event | {"at": fact.at_ms}


def last_line(view: TaskView) -> Event:
    """Give the line that ends a follow: the state, the words, and unless it is done the reason and what to do."""
    state = view.shown_state
    line: Event = {"event": state.value, "state": state.value, "attempt": view.attempt, "at": view.at_ms}
    reason = {State.OUT_OF_CONTACT: view.away, State.DISMISSED: errors.word(errors.Dismissed.reason)}.get(
        state, view.reason
    )
    if not view.over and not reason:
        reason = errors.word(errors.NotOver.reason)
    error = errors.of_word(reason) if reason else None
    if state is State.REFUSED and isinstance(error, errors.StoreFailed):
        error = errors.StoreFailedThere()
    parts = [view.text, view.said if state is not State.DONE else ""]
    words = "\n\n".join(part for part in parts if part)
    line["text"] = words or (view.said or (error.sentence if error else ""))
    if state is State.NOT_SENT:
        line["text"] = f"{line['text']} {_NOT_SENT}".lstrip()
        line["resend"] = _RESEND
    if error is not None and state is not State.DONE:
        line |= {"reason": reason, "advice": _ADVICE.get(state, error.advice)}
    if view.here:
        line["answered"] = "here"
    if view.retry_after_ms:
        line["retry_after_ms"] = view.retry_after_ms
    if view.tampering:
        line |= {"tampering": True, "warning": f"{_TAMPERING.sentence} {_TAMPERING.advice}"}
    return line
