"""Tells tasks that wait where they stand, and whether the one before them all asks a person. Called by the steps, inside theirs.

A host does one task at a time: what asks holds up all that wait, and none of them may wait without saying for what.
"""

from __future__ import annotations

from collections.abc import Mapping

from dispatch.ids import TaskId

from dispatch_host import entries
from dispatch_host.entries import Entry
from dispatch_host.journal import tasks
from dispatch_host.journal.values import StoredTask
from dispatch_host.journal.writer import Tx
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import OPEN, QUEUED, Event, State


def places(tx: Tx) -> dict[TaskId, int]:
    """Give where each open task stands: 0 for the one that runs or is about to."""
    return {task.task_id: place for place, task in enumerate(tasks.in_states(tx, OPEN))}


def waits(tx: Tx, task: StoredTask, position: int) -> Entry:
    """Say where a task stands, and that a person is asked before it. To another phone it names no task."""
    asking = next(iter(tasks.in_states(tx, (State.ASKING,))), None)
    named = asking.task_id if asking is not None and asking.thread == task.thread else b""
    return entries.waiting(task.task_id, position, asking=asking is not None, asking_task_id=named)


def joins(tx: Tx, task: StoredTask) -> list[Entry]:
    """Have a task that was just accepted wait, if others are before it; gives what says so."""
    others = len(tasks.in_states(tx, OPEN)) - 1
    if not others:
        return []
    tasks.step(tx, task.task_id, Event.WAIT)
    return [waits(tx, task, others)]


def moved(tx: Tx, scribe: Scribe, *, before: Mapping[TaskId, int]) -> None:
    """Tell the tasks that wait where they stand now, if that is elsewhere; at most as many as may wait."""
    _tell(tx, scribe, before=before)


def asks_or_works_on(tx: Tx, scribe: Scribe) -> None:
    """Tell all that wait that the one before them began to ask, or asks no more."""
    _tell(tx, scribe, before={})


def _tell(tx: Tx, scribe: Scribe, *, before: Mapping[TaskId, int]) -> None:
    for place, task in enumerate(tasks.in_states(tx, OPEN)):
        if place and task.state in QUEUED and place != before.get(task.task_id):
            scribe.tell(tx, task, [waits(tx, task, place)])
