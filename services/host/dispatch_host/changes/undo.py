"""Takes a change back, step by step from its end: files go back where they were, what was made goes away.

Decides by what is on the disk, so that it does the same after any crash in the middle of the change or of undoing it. What
somebody has changed since is left as it is, and said. Nothing is overwritten here either. Runs in the worker.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from dispatch_host.changes.applying import Tell, digest, settle
from dispatch_host.changes.plan import Delete, MakeFolder, Move, RemoveFolder, Rewrite, Step, makes
from dispatch_host.changes.record import Made, Record, State
from dispatch_host.scope import Facts, Hands, Refusal, Refused, Scope


@dataclass(slots=True)
class Undone:
    """What was restored, and what could not be, each with the reason as the end of a sentence."""

    restored: list[Step] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    untouched: int = 0  # steps that had never been done, or were taken back before


def undo(record: Record, scope: Scope, tell: Tell) -> Undone:
    """Take back what a change did, as far as nobody changed it since. To be called while nobody else is at it: `Records.alone`."""
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
        case RemoveFolder(path):
            return index in record.made and _put_folder(path, hands)
        case Delete(path, expected):
            return _Kept(index, path, expected, record, scope, hands).put_back()
        case Rewrite(path, expected):
            kept = _Kept(index, path, expected, record, scope, hands)
            if kept.is_there():
                _clear(index, path, record, hands)
                kept.let_go()
                return False
            took = _take_file(index, path, record, scope, hands)
            return kept.put_back() or took
        case _:
            return _take_file(index, makes(step) or "", record, scope, hands)


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


def _put_folder(path: str, hands: Hands) -> bool:
    if hands.is_folder(path):
        return False
    hands.make_folder(path)
    return True


def _clear(index: int, path: str, record: Record, hands: Hands) -> None:
    """Take away what a step may have left half made."""
    beside = os.path.join(os.path.dirname(path), record.aside(index))
    made = record.made.get(index)
    half = _facts(beside, hands)
    if half is not None and (made is None or made.facts == half):
        hands.remove(beside, half, f"{record.aside(index)}x")


def _take_file(index: int, path: str, record: Record, scope: Scope, hands: Hands) -> bool:
    """Take away what a step made, and what it may have left half made."""
    _clear(index, path, record, hands)
    made: Made | None = record.made.get(index)
    if made is None or made.facts is None:
        return False
    found = _facts(path, hands)
    if found is None:
        return False  # it never came there, or is gone
    if found != made.facts or _digest(path, scope) != made.sha256:
        raise Refused(Refusal.CHANGED, path)
    hands.remove(path, made.facts, record.aside(index))
    return True


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file that a step took away, or was about to."""

    index: int
    path: str
    expected: Facts
    record: Record
    scope: Scope
    hands: Hands

    @property
    def _copy(self) -> Path:
        return self.record.folder / self.record.kept(self.index)

    def is_there(self) -> bool:
        """Tell whether it is where it was: it was never taken, or has come back."""
        found = _facts(self.path, self.hands)
        if found is None or found == self.expected:
            return found is not None
        # From another disk it comes back as a new file; cut off then, both are there.
        return (
            self._copy.is_file()
            and self._copy.stat().st_size == found.size
            and self._kept_digest() == _digest(self.path, self.scope)
        )

    def put_back(self) -> bool:
        """Give it its place again; tell whether that had to be done. Raises Refused."""
        if self.is_there():
            self.let_go()
            return False
        if not self._copy.exists():
            return False
        beside = self.record.aside(self.index)
        with self.record.opened() as folder:
            self.hands.move_in(folder, self.record.kept(self.index), self.path, beside)
        self.let_go()
        return True

    def let_go(self) -> None:
        """Take away what is left of it elsewhere."""
        if self._copy.exists():
            # It came back as a new file, which is not known by what it was: what this step made must not be looked for again.
            self.record.note_made(self.index, Made())
            self._copy.unlink()
        half = self.record.leaving(self.index)
        beside = os.path.join(os.path.dirname(self.path), half)
        if _facts(beside, self.hands) == self.expected:
            self.hands.remove(beside, self.expected, f"{half}x")

    def _kept_digest(self) -> str:
        with self._copy.open("rb") as file:
            return digest(file)


def _facts(path: str, hands: Hands) -> Facts | None:
    try:
        return hands.facts(path)
    except Refused as refused:
        if refused.reason in (Refusal.NOT_THERE, Refusal.NOT_A_FILE):
            return None  # where a folder is, there is no file
        raise


def _digest(path: str, scope: Scope) -> str:
    located = scope.locate(path)
    if located is None:
        raise Refused(Refusal.OUTSIDE, path)
    with scope.open_file(*located) as file:
        return digest(file)
