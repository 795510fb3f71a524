"""The life of a task on the host, as a table. Pure; called by the journal's steps, the runner and the link.

A command that the host has journalled is *handed over*: it may still be refused, and must not start. Its own row coming
back (the go) makes it *accepted*; from there exactly one outcome follows. docs/one-task.md draws this table.
"""

from __future__ import annotations

from enum import StrEnum

from dispatch.api.relay.v1.relay_pb2 import Outcome


class State(StrEnum):
    """Where a task is. The words are those of the thread and of the command line."""

    HANDED_OVER = "handed_over"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    WAITING = "waiting"
    RUNNING = "running"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    DENIED = "denied"
    TIMED_OUT = "timed_out"


class Event(StrEnum):
    """What can happen to it."""

    REFUSE = "refuse"  # the relay withdrew it, or a newer attempt took its place
    RETRY = "retry"  # a newer attempt of a refused one was journalled
    GO = "go"
    WAIT = "wait"  # others are before it
    START = "start"
    ASK = "ask"
    ANSWERED = "answered"
    DONE = "done"
    FAIL = "fail"
    CANCEL = "cancel"
    INTERRUPT = "interrupt"
    DENY = "deny"
    TIME_OUT = "time_out"


STEPS: dict[tuple[State, Event], State] = {
    (State.HANDED_OVER, Event.REFUSE): State.REFUSED,
    (State.HANDED_OVER, Event.RETRY): State.HANDED_OVER,
    (State.HANDED_OVER, Event.GO): State.ACCEPTED,
    (State.REFUSED, Event.RETRY): State.HANDED_OVER,
    (State.ACCEPTED, Event.WAIT): State.WAITING,
    (State.ACCEPTED, Event.START): State.RUNNING,
    (State.ACCEPTED, Event.CANCEL): State.CANCELLED,
    (State.ACCEPTED, Event.INTERRUPT): State.INTERRUPTED,
    (State.WAITING, Event.START): State.RUNNING,
    (State.WAITING, Event.CANCEL): State.CANCELLED,
    (State.WAITING, Event.INTERRUPT): State.INTERRUPTED,
    (State.RUNNING, Event.ASK): State.ASKING,
    (State.RUNNING, Event.DONE): State.DONE,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.RUNNING, Event.CANCEL): State.CANCELLED,
    (State.RUNNING, Event.INTERRUPT): State.INTERRUPTED,
    (State.RUNNING, Event.DENY): State.DENIED,
    (State.RUNNING, Event.TIME_OUT): State.TIMED_OUT,
    (State.ASKING, Event.ANSWERED): State.RUNNING,
    (State.ASKING, Event.FAIL): State.FAILED,
    (State.ASKING, Event.CANCEL): State.CANCELLED,
    (State.ASKING, Event.INTERRUPT): State.INTERRUPTED,
    (State.ASKING, Event.DENY): State.DENIED,
    (State.ASKING, Event.TIME_OUT): State.TIMED_OUT,
}

OUTCOMES: dict[State, Outcome.ValueType] = {
    State.DONE: Outcome.OUTCOME_DONE,
    State.FAILED: Outcome.OUTCOME_FAILED,
    State.CANCELLED: Outcome.OUTCOME_CANCELLED,
    State.INTERRUPTED: Outcome.OUTCOME_INTERRUPTED,
    State.DENIED: Outcome.OUTCOME_DENIED,
    State.TIMED_OUT: Outcome.OUTCOME_TIMED_OUT,
}
"""The states in which an accepted task is over, and the outcome that the contract names."""

OPEN = frozenset({State.ACCEPTED, State.WAITING, State.RUNNING, State.ASKING})
"""Accepted and not over: exactly one outcome is still owed."""

QUEUED = frozenset({State.ACCEPTED, State.WAITING})
"""Accepted and not started."""


class NoStep(Exception):
    """The table has no such step: a defect in the caller."""


def after(state: State, event: Event) -> State:
    """Give the state that follows. Raises NoStep for a pair that the table does not list."""
    try:
        return STEPS[state, event]
    except KeyError:
        raise NoStep(f"a task that is {state} can't {event}") from None
