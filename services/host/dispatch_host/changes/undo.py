"""Takes a change back, step by step from its end: files go back where they were, what was made goes away.

Decides by what is on the disk, so that it does the same after any crash in the middle of the change or of undoing it. What
somebody has changed since is left as it is, and said. Nothing is overwritten here either. Runs in the worker.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from dispatch_host.changes.applying import Tell, digest, settle
from dispatch_host.changes.plan import MakeFolder, Move, Step, makes
from dispatch_host.changes.record import Made, Record, State
from dispatch_host.scope import Facts, Hands, Refusal, Refused, Scope


@dataclass(slots=True)
class Undone:
    """What was restored, and what could not be, each with the reason as the end of a sentence."""

    restored: list[Step] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    untouched: int = 0  # steps that had never been done, or were taken back before


def undo(record: Record, scope: Scope, tell: Tell) -> Undone:
    """Take back what a change did, as far as nobody changed it since."""
    undone = Undone()
    hands = Hands(scope)
    total = len(record.plan.steps)
    for index in reversed(range(total)):
        step = record.plan.steps[index]
        try:
            if _undo(index, step, record, scope, hands):
                undone.restored.append(step)
            else:
                undone.untouched += 1
        except Refused as refused:
            undone.left.append((refused.path, str(refused.reason)))
        tell(total - index, total, "steps")
    settle(record.plan, hands)
    record.note_end(State.PARTLY_UNDONE if undone.left else State.UNDONE)
    return undone


def _undo(index: int, step: Step, record: Record, scope: Scope, hands: Hands) -> bool:
    match step:
        case Move(source, target, expected):
            return _move_back(source, target, expected, hands)
        case MakeFolder(path):
            return index in record.made and _take_folder(path, hands)
        case _:
            return _take_file(index, makes(step), record, scope, hands)


def _move_back(source: str, target: str, expected: Facts, hands: Hands) -> bool:
    moved = _facts(target, hands)
    if moved == expected:
        hands.move(target, source, expected)
        return True
    if _facts(source, hands) == expected:
        return False  # it is where it was
    raise Refused(Refusal.NOT_THERE if moved is None else Refusal.CHANGED, target)


def _take_folder(path: str, hands: Hands) -> bool:
    if hands.is_free(path):
        return False
    hands.remove_folder(path)
    return True


def _take_file(index: int, path: str, record: Record, scope: Scope, hands: Hands) -> bool:
    """Take away what a step made, and what it may have left half made."""
    beside = os.path.join(os.path.dirname(path), record.aside(index))
    made: Made | None = record.made.get(index)
    half = _facts(beside, hands)
    if half is not None and (made is None or made.facts == half):
        hands.remove(beside, half, f"{record.aside(index)}x")
    if made is None or made.facts is None:
        return False
    found = _facts(path, hands)
    if found is None:
        return False
    if found != made.facts or _digest(path, scope) != made.sha256:
        raise Refused(Refusal.CHANGED, path)
    hands.remove(path, made.facts, record.aside(index))
    return True


def _facts(path: str, hands: Hands) -> Facts | None:
    try:
        return hands.facts(path)
    except Refused as refused:
        if refused.reason is Refusal.NOT_THERE:
            return None
        raise


def _digest(path: str, scope: Scope) -> str:
    located = scope.locate(path)
    if located is None:
        raise Refused(Refusal.OUTSIDE, path)
    with scope.open_file(*located) as file:
        return digest(file)
