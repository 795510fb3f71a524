"""A plan of changes: every single step, as data. It is the preview, what an approval is bound to, and what is carried out.

Pure. Made by tools, shown by preview.py, carried out by applying.py from the very bytes that were approved. Paths are
absolute. A step that reads a file names what the file was, by its size, time and inode: what is found must be that.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from dispatch_host.scope import Facts

MOST_STEPS = 2000
MOST_BYTES = 512 * 1024
_PATH_CHARACTERS = 16 * 1024


class BadPlan(ValueError):
    """Bytes that are no plan, or a plan that can't be carried out whatever is found."""


class How(StrEnum):
    """What a new file is made of its source."""

    TEXT = "text"  # the words of a PDF or an office document
    CSV = "csv"  # a sheet; `part` is its name
    ENTRY = "entry"  # a file in an archive; `part` is its name there


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder that is not there."""

    path: str


@dataclass(frozen=True, slots=True)
class Move:
    """Give a file another name, or another folder."""

    source: str
    target: str
    expected: Facts


@dataclass(frozen=True, slots=True)
class Write:
    """Make a new file of these words."""

    target: str
    content: str


@dataclass(frozen=True, slots=True)
class Convert:
    """Make a new file of another one, which stays as it is."""

    source: str
    target: str
    expected: Facts
    how: How
    part: str = ""


@dataclass(frozen=True, slots=True)
class Zip:
    """Pack files and folders into a new archive. `listing` is the digest of all that is packed, which may be many."""

    sources: tuple[str, ...]
    target: str
    base: str  # the folder from which the names in the archive begin
    files: int
    size: int  # bytes, before they are packed
    listing: str


Step: TypeAlias = MakeFolder | Move | Write | Convert | Zip
_DO: dict[str, type[MakeFolder | Move | Write | Convert | Zip]] = {
    "make_folder": MakeFolder,
    "move": Move,
    "write": Write,
    "convert": Convert,
    "zip": Zip,
}
_NAMES = {kind: name for name, kind in _DO.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in their order, and in a few words what they are for."""

    title: str
    steps: tuple[Step, ...]

    def to_bytes(self) -> bytes:
        """Write the canonical JSON: one spelling for one plan, ASCII, names of any bytes as escaped surrogates."""
        said = {"title": self.title, "steps": [{"do": _NAMES[type(step)], **_fields(step)} for step in self.steps]}
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")

    @property
    def digest(self) -> bytes:
        """Give what an approval is bound to: SHA-256 over the canonical JSON."""
        return hashlib.sha256(self.to_bytes()).digest()

    @classmethod
    def from_bytes(cls, written: bytes) -> Plan:
        """Read a plan; raise BadPlan for anything that is not the canonical spelling of a sound one."""
        if len(written) > MOST_BYTES:
            raise BadPlan("too long")
        try:
            said = json.loads(written)
            plan = cls(said["title"], tuple(_step(one) for one in said["steps"]))
            if not isinstance(plan.title, str) or plan.to_bytes() != written:
                raise BadPlan("not canonical")
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadPlan("not a plan") from error
        check(plan)
        return plan


def reads(step: Step) -> str | None:
    """Give the one file that a step reads or moves."""
    return step.source if isinstance(step, Move | Convert) else None


def makes(step: Step) -> str:
    """Give the path that is there after a step and was not before."""
    return step.path if isinstance(step, MakeFolder) else step.target


def same(path: str) -> str:
    """Fold a path as the file systems do that see no case and no Unicode forms: two that fold alike may be one file."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def check(plan: Plan) -> None:
    """Check what needs no look at the disk; raise BadPlan. No two steps make the same path, none takes a file twice."""
    if not plan.steps or len(plan.steps) > MOST_STEPS:
        raise BadPlan("no steps, or too many")
    made: set[str] = set()
    moved: set[str] = set()
    for step in plan.steps:
        for path in _paths(step):
            if not path.startswith("/") or os.path.normpath(path) != path or "\0" in path:
                raise BadPlan("a path that is not spelled out")
        if same(makes(step)) in made:
            raise BadPlan("two steps make the same path")
        made.add(same(makes(step)))
        source = reads(step)
        if source is not None and source in moved:
            raise BadPlan("a file that an earlier step has moved")
        if isinstance(step, Move):
            moved.add(step.source)


def _paths(step: Step) -> Sequence[str]:
    match step:
        case MakeFolder(path):
            return [path]
        case Move(source, target) | Convert(source, target):
            return [source, target]
        case Write(target):
            return [target]
        case Zip(sources, target, base):
            return [*sources, target, base]


def _fields(step: Step) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in step.__slots__:
        value = getattr(step, name)
        said[name] = list(value) if isinstance(value, tuple) else value
    return said


_TEXTS = ("path", "source", "target", "content", "part", "base", "listing")
_COUNTS = ("files", "size")


def _step(said: dict[str, Any]) -> Step:
    given = {name: value for name, value in said.items() if name != "do"}
    for name, value in given.items():
        if name in _TEXTS:
            _is_text(value, MOST_BYTES if name == "content" else _PATH_CHARACTERS)
        elif name in _COUNTS:
            _is_count(value)
        elif name == "expected":
            for number in value:
                _is_count(number)
            given[name] = Facts(*value)
        elif name == "sources":
            for path in value:
                _is_text(path, _PATH_CHARACTERS)
            given[name] = tuple(value)
        elif name == "how":
            given[name] = How(value)
    made: Step = _DO[said["do"]](**given)
    return made


def _is_text(value: object, most: int) -> None:
    if not isinstance(value, str) or len(value) > most:
        raise BadPlan("no text")


def _is_count(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadPlan("no number")
