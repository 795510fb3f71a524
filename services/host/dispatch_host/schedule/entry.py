"""An entry of the schedule, and what is to be done about it at a moment. Pure; docs/schedule.md has these rules in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import tzinfo

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import ID_BYTES, TaskId

from dispatch_host.schedule.missed import Missed
from dispatch_host.schedule.times import Times, due_between, first_after

ON_TIME_MS = 60_000
"""What is due no longer than that is run as planned; what is due longer was missed."""
SET_BACK_MS = 24 * 3_600_000
"""A clock that is set back further was wrong before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is done by itself, when, and in which thread."""

    schedule_id: bytes
    thread: int
    text: str = field(repr=False)
    times: Times
    missed: Missed = Missed.SKIP
    paused: bool = False
    made_at_ms: int
    dealt_ms: int
    """Every due time up to here was dealt with."""
    held: Reason.ValueType = Reason.REASON_UNSPECIFIED
    """Why what is due has to wait."""
    last_task_id: TaskId = field(default_factory=lambda: TaskId(b""))
    """Empty before the first."""
    last_due_ms: int = 0


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is due before `until_ms`; None for never."""

    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Something is due, and has to wait."""

    why: Reason.ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One task is to be begun."""

    due_ms: int
    late: bool = False
    instead_of: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """The thread is to say what was missed."""

    from_ms: int
    to_ms: int
    count: int
    why: Reason.ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """Everything up to `until_ms` is dealt with by this."""

    until_ms: int
    run: Run | None = None
    tell: Tell | None = None


def task_id_of(schedule_id: bytes, due_ms: int) -> TaskId:
    """Give the id of the task for a due time: there is one for each."""
    return TaskId(hashlib.sha256(b"dispatch schedule/1" + schedule_id + due_ms.to_bytes(8, "big")).digest()[:ID_BYTES])


def look(entry: Entry, *, now_ms: int, zone: tzinfo, hindered: Reason.ValueType) -> Rest | Hold | Deal:
    """Say what is to be done about an entry now. `hindered` is why no task of it can be begun; 0 when one can."""
    if entry.paused:
        return Rest(None)
    if now_ms < entry.dealt_ms - SET_BACK_MS:
        return Deal(until_ms=now_ms)
    due = due_between(entry.times, entry.dealt_ms, now_ms, zone)
    if due is None:
        return Rest(first_after(entry.times, max(entry.dealt_ms, now_ms), zone))
    if hindered:
        return Hold(hindered)
    why = entry.held or Reason.REASON_RUN_MISSED
    late = now_ms - due.last > ON_TIME_MS
    others = due.count - 1
    if entry.missed is Missed.ONCE:
        return Deal(until_ms=due.last, run=Run(due_ms=due.last, late=late, instead_of=others))
    # What came due while the run before was not over is missed however lately: one that asks would ask again at once.
    if late or why == Reason.REASON_RUN_OVERTAKEN:
        return Deal(until_ms=due.last, tell=Tell(from_ms=due.first, to_ms=due.last, count=due.count, why=why))
    tell = None
    if due.before_last is not None:
        tell = Tell(from_ms=due.first, to_ms=due.before_last, count=others, why=why)
    return Deal(until_ms=due.last, run=Run(due_ms=due.last), tell=tell)
