"""What was changed by one plan, kept in the host's home so that it can be undone after any crash.

A folder for each change: `plan`, the bytes that were approved, on the disk before the first step; `log`, a line for each
thing that the plan alone does not tell (what a new file became, folders that were made) and for how it ended. Only
applying.py and undo.py write here. Paths of files are in it: it never leaves the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dispatch_host.changes.plan import Plan
from dispatch_host.scope import Facts

MOST_CHANGES = 200
"""Changes that are kept; the oldest go first, and can't be undone then."""

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


class Records:
    """All changes of a host."""

    def __init__(self, folder: Path, *, most: int = MOST_CHANGES) -> None:
        self._folder = folder
        self._most = most

    def begin(self, task_id: str, plan: Plan) -> Record:
        """Keep a plan before its first step. Raises OSError when the disk can't."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget()
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

    def _forget(self) -> None:
        """Make room for one more."""
        kept = [self._folder / name for name in self._names()]
        kept.sort(key=lambda folder: folder.stat().st_mtime_ns)
        for old in kept[: max(len(kept) - self._most + 1, 0)]:
            shutil.rmtree(old, ignore_errors=True)


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
