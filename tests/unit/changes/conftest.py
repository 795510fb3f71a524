"""A folder that may be changed, one that may be read, a secret outside, and a host's home for the records."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dispatch_host.changes import Applied, How, Maker, Move, Plan, Records, Undone, apply, undo
from dispatch_host.scope import Beneath, ComponentWalk, Facts, Folder, Hands, OpenAt2, Scope, best_beneath

SECRET = "the secret outside"
BENEATHS = [
    ComponentWalk,
    pytest.param(
        OpenAt2,
        marks=pytest.mark.skipif(best_beneath().name != "openat2", reason="NOT TESTED: this kernel has no openat2"),
    ),
]


def silent(done: int, total: int, unit: str) -> None:
    """Hear how far it is, and say nothing."""


@dataclass
class World:
    """Where changes are made."""

    root: Path
    makers: dict[How, Maker]
    beneath: Beneath | None = None
    most_changes: int = 200
    most_kept_bytes: int = 1_000_000
    wait_seconds: float = 30
    home: Path = field(default=Path())

    def __post_init__(self) -> None:
        """Have the host's home beside the folder, unless a test has it on another disk."""
        if self.home == Path():
            self.home = self.root / "home"

    @property
    def inside(self) -> Path:
        return self.root / "in"

    @property
    def records(self) -> Records:
        return Records(
            self.home / "changes",
            most=self.most_changes,
            most_kept_bytes=self.most_kept_bytes,
            wait_seconds=self.wait_seconds,
        )

    def scope(self) -> Scope:
        folders = [Folder(self.inside, writable=True), Folder(self.root / "read")]
        return Scope(folders, keep_out=[self.home], beneath=self.beneath)

    def facts(self, path: Path) -> Facts:
        found = path.lstat()
        return Facts(found.st_size, found.st_mtime_ns, found.st_ino)

    def move(self, source: str, target: str) -> Move:
        return Move(str(self.inside / source), str(self.inside / target), self.facts(self.inside / source))

    def apply(self, plan: Plan, task_id: str = "task") -> Applied:
        with self.scope() as scope:
            return apply(Plan.from_bytes(plan.to_bytes()), scope, self.records, task_id, self.makers, silent)

    def undo(self, task_id: str = "task") -> Undone:
        with self.scope() as scope:
            return undo(next(self.records.of(task_id)), scope, silent)

    def picture(self) -> dict[str, str]:
        """Give what is in the folder: the digest of each file, the paths of folders and where links lead."""
        found = {}
        for path in sorted(self.inside.rglob("*")):
            name = str(path.relative_to(self.inside))
            if path.is_symlink():
                found[name] = f"→ {os.readlink(path)}"
            else:
                found[name] = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def outside(self) -> set[str]:
        """Give what lies beside the folder, to see that nothing came there."""
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if not path.is_relative_to(self.inside) and not path.is_relative_to(self.root / "home")
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    root = tmp_path.resolve()
    for name in ("in/deep/er", "read", "home"):
        (root / name).mkdir(parents=True)
    (root / "secret.txt").write_text(SECRET)
    (root / "read" / "only.txt").write_text("only to be read")
    (root / "in" / "plain.txt").write_text("plain")
    (root / "in" / "deep" / "er" / "low.txt").write_text("low")

    def shout(source: object, target: object, step: object, tell: object) -> None:
        target.write(source.read().upper())  # type: ignore[attr-defined]

    return World(root, {How.TEXT: shout})


@pytest.fixture(params=BENEATHS)
def hands(request: pytest.FixtureRequest, world: World) -> Iterator[Hands]:
    make: Callable[[], Beneath] = request.param
    world.beneath = make()
    with world.scope() as scope:
        yield Hands(scope)
