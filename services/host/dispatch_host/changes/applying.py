"""Carries a plan out: all of it, or up to a step that finds something else than was planned, and says where it stopped.

Everything is checked before the first step. A new file is written under a name of the change's own and gets its name in
one step that overwrites nothing, so that no half of it is ever seen. Runs in the worker; synchronous.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from dispatch_host.changes.packing import Packing, pack
from dispatch_host.changes.plan import (
    Convert,
    Delete,
    How,
    MakeFolder,
    Move,
    Plan,
    RemoveFolder,
    Rewrite,
    Step,
    Write,
    Zip,
    encoded,
    makes,
    place,
    takes,
    writes,
)
from dispatch_host.changes.record import Busy, Made, Record, Records, State, TooMuch
from dispatch_host.scope import Facts, Hands, Refusal, Refused, Scope

Tell = Callable[[int, int, str], None]
"""Hears how far it is: done, total (0 while nobody knows), of what."""

Maker = Callable[[BinaryIO, BinaryIO, Convert, Tell], None]
"""Makes a file of another one as a step says. Raises CannotMake."""


class CannotMake(Exception):
    """A source that can't be made into what was asked. The message ends a sentence: "it is encrypted"."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a plan was carried out. `why` is empty when all of it was."""

    done: int
    total: int
    path: str = ""
    why: str = ""


def apply(plan: Plan, scope: Scope, records: Records, task_id: str, makers: Mapping[How, Maker], tell: Tell) -> Applied:
    """Carry out a plan. What it changed is in the records before it is changed."""
    try:
        with records.alone():
            return _apply(plan, scope, records, task_id, makers, tell)
    except Busy:
        return Applied(
            0, len(plan.steps), "", "another change is being carried out on this computer; say it again in a moment"
        )


def _apply(
    plan: Plan, scope: Scope, records: Records, task_id: str, makers: Mapping[How, Maker], tell: Tell
) -> Applied:
    hands = Hands(scope)
    try:
        _look(plan, hands, scope)
    except Refused as refused:
        return Applied(0, len(plan.steps), refused.path, f"it is {refused.reason}")
    try:
        record = records.begin(task_id, plan)
    except TooMuch:
        return Applied(0, len(plan.steps), "", "it deletes more than is kept for undoing it")
    except OSError as error:
        return Applied(0, len(plan.steps), "", f"what is needed to undo it could not be kept: {error.strerror}")
    doing = _Doing(scope, hands, record, makers, tell)
    for index, step in enumerate(plan.steps):
        try:
            doing.step(index, step)
        except (Refused, CannotMake) as stopped:
            settle(plan, hands)
            record.note_end(State.STOPPED)
            path = stopped.path if isinstance(stopped, Refused) else place(step)
            why = f"it is {stopped.reason}" if isinstance(stopped, Refused) else str(stopped)
            return Applied(index, len(plan.steps), path, why)
        tell(index + 1, len(plan.steps), "steps")
    settle(plan, hands)
    record.note_end(State.WHOLE)
    return Applied(len(plan.steps), len(plan.steps))


def settle(plan: Plan, hands: Hands) -> None:
    """Write the names of all folders that a plan touches to the disk, once: what is undone is decided by what is there."""
    paths = [path for step in plan.steps for path in (makes(step), takes(step)) if path is not None]
    for path in {os.path.dirname(path): path for path in paths}.values():
        hands.settle(path)


def _look(plan: Plan, hands: Hands, scope: Scope) -> None:
    """Look at everything before anything is changed. Raises Refused."""
    gone: set[str] = set()
    made: set[str] = set()
    _look_for_room(plan, hands)
    for step in plan.steps:
        _look_at(step, hands, scope)
        target = makes(step)
        # What an earlier step makes or takes away is not there to be looked at yet.
        if target is not None and not isinstance(step, Rewrite):
            is_new = os.path.dirname(target) in made or target in gone
            if not is_new and not hands.is_free(target):
                raise Refused(Refusal.TAKEN, target)
            made.add(target)
        if (taken := takes(step)) is not None:
            gone.add(taken)


def _look_for_room(plan: Plan, hands: Hands) -> None:
    """Look whether each disk has room for the most that is written to it. Raises Refused."""
    new = {step.path for step in plan.steps if isinstance(step, MakeFolder)}
    written: dict[str, int] = {}
    for step in plan.steps:
        if most := writes(step):
            folder = os.path.dirname(makes(step) or "")
            while folder in new:
                folder = os.path.dirname(folder)
            written[folder] = written.get(folder, 0) + most
    on_disk: dict[int, int] = {}
    for folder, most in written.items():
        path = os.path.join(folder, "x")
        device = hands.device(path)
        on_disk[device] = on_disk.get(device, 0) + most
        if hands.room(path) < on_disk[device]:
            raise Refused(Refusal.NO_SPACE, folder)


def _look_at(step: Step, hands: Hands, scope: Scope) -> None:
    """Look whether what a step works on is what it was."""
    match step:
        case Move(source, _, expected) | Delete(source, expected):
            if hands.facts(source) != expected:
                raise Refused(Refusal.CHANGED, source)
        case RemoveFolder(path):
            if not hands.is_folder(path):
                raise Refused(Refusal.NOT_THERE, path)
        case Rewrite(path, expected, old):
            if hands.facts(path) != expected:
                raise Refused(Refusal.CHANGED, path)
            with _opened(scope, path, expected) as file:
                if file.read(expected.size + 1) != encoded(old):
                    raise Refused(Refusal.CHANGED, path)
        case Convert(source, _, expected):
            with _opened(scope, source, expected):
                pass
        case Zip():
            if Packing.of(scope, step.sources, step.base).listing != step.listing:
                raise Refused(Refusal.CHANGED, step.sources[0])


@dataclass(slots=True)
class _Doing:
    scope: Scope
    hands: Hands
    record: Record
    makers: Mapping[How, Maker]
    tell: Tell

    def step(self, index: int, step: Step) -> None:
        """Do one step. Raises Refused, CannotMake."""
        match step:
            case MakeFolder(path):
                self.record.note_made(index, Made())
                self.hands.make_folder(path)
            case Move(source, target, expected):
                self.hands.move(source, target, expected)
            case Write(target, content):
                self._new(index, target, writes(step), lambda file: _write(file, content))
            case Rewrite(path, expected, _, new):
                self._new(index, path, writes(step), lambda file: _write(file, new), instead_of=expected)
            case Delete(path, expected):
                self._keep(index, path, expected)
            case RemoveFolder(path):
                self.record.note_made(index, Made())
                self.hands.remove_folder(path)
            case Convert(source, target, expected, how):
                with _opened(self.scope, source, expected) as taken:
                    self._new(index, target, writes(step), lambda file: self.makers[how](taken, file, step, self.tell))
            case Zip(sources, target, base):
                packing = Packing.of(self.scope, sources, base)
                if packing.listing != step.listing:
                    raise Refused(Refusal.CHANGED, sources[0])
                self._new(index, target, writes(step), lambda file: pack(packing, self.scope, file, self.tell))

    def _new(
        self,
        index: int,
        target: str,
        most_bytes: int,
        fill: Callable[[BinaryIO], None],
        *,
        instead_of: Facts | None = None,
    ) -> None:
        """Write a file aside, note what it became, keep the one in whose place it comes, and give it its name."""
        aside = os.path.join(os.path.dirname(target), self.record.aside(index))
        try:
            with self.hands.create(aside, permissions_of=None if instead_of is None else target) as file:
                fill(cast(BinaryIO, Bounded(file, most_bytes)))
                file.flush()
                sha256 = digest(file)
        except Refused as refused:
            raise Refused(refused.reason, target if refused.path == aside else refused.path) from refused
        facts = self.hands.facts(aside)
        self.record.note_made(index, Made(facts, sha256))
        try:
            if instead_of is not None:
                self._keep(index, target, instead_of)
            self.hands.move(aside, target, facts)
        except Refused:
            self.record.note_made(index, Made())  # what has that name now was never ours
            with contextlib.suppress(Refused):
                self.hands.remove(aside, facts, f"{self.record.aside(index)}x")
            raise

    def _keep(self, index: int, path: str, expected: Facts) -> None:
        """Take a file away into the record."""
        with self.record.opened() as folder:
            self.hands.move_out(path, expected, folder, self.record.kept(index), self.record.leaving(index))
            os.fsync(folder)


class Bounded:
    """A file that is written up to so many bytes, the most that a person was shown. Beyond, it raises OSError (EFBIG)."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file = file
        self._most_bytes = most_bytes

    def write(self, data: bytes) -> int:
        """Write, if the end is not beyond the bound. Raises OSError."""
        if self._file.tell() + len(data) > self._most_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        """Give everything else as the file has it: an archive goes back to its headers, and none of that makes it longer."""
        return getattr(self._file, name)


def digest(file: BinaryIO) -> str:
    """Give the SHA-256 of a whole file, in hexadecimal."""
    file.seek(0)
    whole = hashlib.sha256()
    while block := file.read(1024 * 1024):
        whole.update(block)
    return whole.hexdigest()


def _write(file: BinaryIO, content: str) -> None:
    file.write(encoded(content))


@contextlib.contextmanager
def _opened(scope: Scope, path: str, expected: Facts) -> Iterator[BinaryIO]:
    """Open the file that was planned with, and no other. Raises Refused."""
    located = scope.locate(path)
    if located is None:
        raise Refused(Refusal.OUTSIDE, path)
    with scope.open_file(*located) as file:
        if Facts.of(os.fstat(file.fileno())) != expected:
            raise Refused(Refusal.CHANGED, path)
        yield file
