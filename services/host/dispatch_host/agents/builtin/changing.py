"""Carries out in the worker what a person said yes to, takes the last change of the thread back, and says what became of it.

Called by program.py. The plan is read from the very bytes that were approved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dispatch_host.agents.agent import AgentEvent, NotDone, NotDoneReason, Progress, Result, Step
from dispatch_host.agents.builtin import about
from dispatch_host.agents.builtin.markdown import Answer, code, plural
from dispatch_host.agents.builtin.memory import Memory
from dispatch_host.agents.builtin.query import Action, Query
from dispatch_host.agents.builtin.tools.making import MAKERS
from dispatch_host.changes import (
    Applied,
    Busy,
    MakeFolder,
    Move,
    Plan,
    Record,
    Records,
    State,
    Tell,
    Undone,
    apply,
    label,
    makes,
    titled,
    undo,
)
from dispatch_host.scope import Folder, Scope

_PAUSE_SECONDS = 0.2  # between two progress events
_LISTED = 50
_REMEMBERED = 500  # files that a follow-up may refer to
Emit = Callable[[AgentEvent], None]


def carry_out(plan: Plan, scope: Scope, records: Path, task_id: str, emit: Emit) -> Result | NotDone:
    """Do what was approved, and say what was done."""
    emit(Step(plan.title, "as approved"))
    applied = apply(plan, scope, Records(records), task_id, MAKERS, _telling(emit))
    steps = [step for step in plan.steps[: applied.done] if not isinstance(step, MakeFolder)]
    made = [path for step in steps if (path := makes(step)) is not None][:_REMEMBERED]
    memory = Memory(Query(action=Action.FIND), tuple(made), made[0] if len(made) == 1 else None).to_json()
    if applied.why:
        return NotDone(NotDoneReason.INPUT_UNREADABLE, _stopped(applied, scope.folders), memory if applied.done else {})
    return Result(f"{_done(plan, scope.folders)}\n\nSay “undo that” to take it back.", memory)


def _done(plan: Plan, folders: Sequence[Folder]) -> str:
    lines = [f"Done: {titled(plan)}."]
    new = [path for step in plan.steps if not isinstance(step, MakeFolder | Move) and (path := makes(step))]
    lines += [f"- {code(label(path, folders))}" for path in new[:_LISTED]]
    if len(new) > _LISTED:
        lines.append(f"- … and {plural(len(new) - _LISTED, 'file')} more.")
    return "\n".join(lines)


def _stopped(applied: Applied, folders: Sequence[Folder]) -> str:
    what = code(label(applied.path, folders)) if applied.path else "this"
    if not applied.done:
        return f"Nothing was changed. About {what}: {applied.why}."
    return (
        f"Stopped after {applied.done} of {plural(applied.total, 'step')}. About {what}: {applied.why}. "
        "What was done before is done; say “undo that” to take it back."
    )


def last_change(records: Path, earlier: Sequence[str]) -> Record | None:
    """Find the last change of a thread by its tasks, oldest first. It may have been cut off, and its task with it."""
    kept = Records(records)
    return next((record for task_id in reversed(earlier) for record in kept.of(task_id)), None)


def take_back(records: Path, earlier: Sequence[str], scope: Scope, emit: Emit) -> Result | NotDone:
    """Undo the last change of a thread, and say what was restored and what could not be."""
    try:
        with Records(records).alone():
            record = last_change(records, earlier)  # as it is now that nobody is at it any more
            return Result(about.nothing_to_undo()) if record is None else _take_back(record, scope, emit)
    except Busy:
        text = "Files are being changed on this computer just now, so nothing was undone. Say it again in a moment."
        return NotDone(NotDoneReason.INPUT_UNREADABLE, text)


def _take_back(record: Record, scope: Scope, emit: Emit) -> Result:
    emit(Step("Undoing", record.plan.title))
    undone = undo(record, scope, _telling(emit))
    items = tuple(step.source for step in undone.restored if isinstance(step, Move))[:_REMEMBERED]
    memory = Memory(Query(action=Action.FIND), items, items[0] if len(items) == 1 else None)
    return Result(_taken_back(record.plan, undone, scope.folders), memory.to_json())


def already(record: Record) -> Result | None:
    """Say that the last change was taken back before. What could only be restored in part is tried again."""
    if record.state is not State.UNDONE:
        return None
    return Result(f"The last change in this thread is undone already: {titled(record.plan)}. Nothing was changed now.")


def _taken_back(plan: Plan, undone: Undone, folders: Sequence[Folder]) -> str:
    answer = Answer()
    total = len(plan.steps)
    if not undone.restored and not undone.left:
        return f"There was nothing left to undo of: {titled(plan)}."
    if not undone.left:
        answer.add(f"Undone: {titled(plan)}. Everything is as it was before.")
        return answer.text()
    answer.add(f"Undone in part: {titled(plan)}. {len(undone.restored)} of {plural(total, 'step')} taken back.")
    answer.add(f"{plural(len(undone.left), 'step')} not taken back, and left as it is now:")
    listed = [f"- {code(label(path, folders))}: it is {why}." for path, why in undone.left[:_LISTED]]
    if len(undone.left) > _LISTED:
        listed.append(f"- … and {len(undone.left) - _LISTED} more.")
    answer.add("\n".join(listed))
    return answer.text()


def _telling(emit: Emit) -> Tell:
    """Tell how far it is, at most a few times a second."""
    last = 0.0

    def tell(done: int, total: int, unit: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PAUSE_SECONDS:
            last = now
            emit(Progress(done, total, unit))

    return tell
