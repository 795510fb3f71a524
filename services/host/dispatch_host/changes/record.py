"""What was changed by one plan, kept in the host's home so that it can be undone after any crash.

A folder for each change: `plan`, the bytes that were approved, on the disk before the first step; `log`, a line for each
thing that the plan alone does not tell (what a new file became, folders that were made) and for how it ended; `kept-N`, the
file that step N took away. Only applying.py and undo.py write here. It never leaves the host.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dispatch_host.changes.plan import Plan, keeps
from dispatch_host.scope import Facts

MOST_CHANGES = 200
"""Changes that are kept; the oldest go first, and can't be undone then."""
MOST_DAYS = 30
MOST_KEPT_BYTES = 10 * 1000**3
"""Of deleted files and old words, over all changes."""
_LOCK = "lock"
_WAIT_SECONDS = 30.0  # for whoever is at it: a worker whose host is gone ends at once
_LOOK_SECONDS = 0.02
_DAY_SECONDS = 86_400

_ID = re.compile(r"(?P<task>[0-9A-Za-z_-]{1,80})\.(?P<place>\d{1,4})")


class State(StrEnum):
    """How a change ended, as its log says."""

    CUT_OFF = "cut off"  # no word of its end: whoever carried it out died
    WHOLE = "whole"
    STOPPED = "stopped"  # in the middle, for what it found
    UNDONE = "undone"
    PARTLY_UNDONE = "partly undone"


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made: a folder, or a file with its facts and digest."""

    facts: Facts | None = None
    sha256: str = ""


@dataclass(slots=True)
class Record:
    """One change on the disk."""

    folder: Path
    plan: Plan
    state: State = State.CUT_OFF
    made: dict[int, Made] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Give the id of the change: its task, and its place among the changes of it."""
        return self.folder.name

    def aside(self, step: int) -> str:
        """Give the name under which a step's file is written, or taken away, before it has its own or none."""
        return f".dispatch-{self.name[:40]}-{step}.part"

    def leaving(self, step: int) -> str:
        """Give the name that a file has beside its place while it goes, when its copy is on another disk already."""
        return f".dispatch-{self.name[:40]}-{step}.gone"

    def kept(self, step: int) -> str:
        """Give the name under which the file that a step takes away is kept here."""
        return f"kept-{step}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Hold the folder open, for files that come here and go back."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)

    def note_made(self, step: int, made: Made) -> None:
        """Keep what a step is about to put in its place, on the disk before it is there."""
        facts = None if made.facts is None else list(made.facts)
        self._note({"made": step, "facts": facts, "sha256": made.sha256})
        self.made[step] = made

    def note_end(self, state: State) -> None:
        """Keep how it ended."""
        self._note({"end": state})
        self.state = state

    def _note(self, said: Mapping[str, object]) -> None:
        with open(self.folder / "log", "ab") as log:
            log.write(json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n")
            log.flush()
            os.fsync(log.fileno())


class TooMuch(Exception):
    """A plan that takes away more than is kept, so that it could not be undone."""


class Busy(Exception):
    """Another process changes files, or takes a change back."""


class Records:
    """All changes of a host."""

    def __init__(
        self,
        folder: Path,
        *,
        most: int = MOST_CHANGES,
        most_kept_bytes: int = MOST_KEPT_BYTES,
        wait_seconds: float = _WAIT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`wait_seconds` is how long `alone` waits for whoever is at it."""
        self._folder = folder
        self._most = most
        self._most_kept_bytes = most_kept_bytes
        self._wait_seconds = wait_seconds
        self._clock = clock

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else change files or take back what was changed: one at a time, also over processes. Raises Busy.

        A worker whose host was killed may be at its last step while the next host's worker begins. The system lets go of the
        lock when its holder is gone, and not before.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self._folder / _LOCK, "ab") as lock:
            ends = time.monotonic() + self._wait_seconds
            while not _locked(lock.fileno()):
                if time.monotonic() > ends:
                    raise Busy
                time.sleep(_LOOK_SECONDS)
            yield

    def begin(self, task_id: str, plan: Plan) -> Record:
        """Keep a plan before its first step. Raises OSError when the disk can't, TooMuch."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.forget_old(room_for=plan)
        place = 1 + max((self._place(name) for name in self._of(task_id)), default=0)
        folder = self._folder / f"{task_id}.{place}"
        if _ID.fullmatch(folder.name) is None:
            raise ValueError("a task's id that names no folder")
        folder.mkdir(mode=0o700)
        with open(folder / "plan", "wb") as file:
            file.write(plan.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        for upper in (folder, self._folder):
            _settle(upper)
        return Record(folder, plan)

    def of(self, task_id: str) -> Iterator[Record]:
        """Give the changes of a task, the latest first. What can't be read is left out."""
        for name in sorted(self._of(task_id), key=self._place, reverse=True):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                yield _read(self._folder / name)

    def _of(self, task_id: str) -> list[str]:
        return [name for name in self._names() if name.rpartition(".")[0] == task_id]

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if _ID.fullmatch(name)]
        except FileNotFoundError:
            return []

    @staticmethod
    def _place(name: str) -> int:
        return int(name.rpartition(".")[2])

    def forget_old(self, *, room_for: Plan | None = None) -> None:
        """Delete the changes that are too old, and the oldest until there is room for one more. Raises TooMuch."""
        needed = 0 if room_for is None else kept_bytes(room_for)
        if needed > self._most_kept_bytes:
            raise TooMuch
        there = sorted((_age(self._folder / name), name) for name in self._names())
        sizes = {name: _size(self._folder / name) for _, name in there}
        count, size = len(there) + (room_for is not None), sum(sizes.values()) + needed
        oldest = self._clock() - MOST_DAYS * _DAY_SECONDS
        for began, name in there:
            if began < oldest or count > self._most or size > self._most_kept_bytes:
                shutil.rmtree(self._folder / name, ignore_errors=True)
                count, size = count - 1, size - sizes[name]

    def forget_tasks(self, task_ids: Collection[str]) -> None:
        """Delete the changes of some tasks: they can't be undone then, and what they deleted is gone."""
        for name in self._names():
            if name.rpartition(".")[0] in task_ids:
                shutil.rmtree(self._folder / name, ignore_errors=True)


def kept_bytes(plan: Plan) -> int:
    """Tell how much a plan takes away, that has to be kept."""
    return sum(facts.size for step in plan.steps if (facts := keeps(step)) is not None)


def _age(folder: Path) -> float:
    """Tell when a change was begun: its plan is written once, whatever is done in its folder later."""
    try:
        return (folder / "plan").stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    """Give the bytes of what a change keeps."""
    try:
        return sum(
            item.stat(follow_symlinks=False).st_size for item in os.scandir(folder) if item.name.startswith("kept-")
        )
    except OSError:
        return 0


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _read(folder: Path) -> Record:
    record = Record(folder, Plan.from_bytes((folder / "plan").read_bytes()))
    try:
        lines = (folder / "log").read_bytes().split(b"\n")
    except FileNotFoundError:
        return record
    for line in lines[:-1]:  # the last one is empty, or was cut off
        said: dict[str, Any] = json.loads(line)
        if "end" in said:
            record.state = State(said["end"])
        else:
            facts = None if said["facts"] is None else Facts(*said["facts"])
            record.made[said["made"]] = Made(facts, said["sha256"])
    return record


def _settle(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
