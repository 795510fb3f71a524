"""A plan of changes: every single step, as data. It is the preview, what an approval is bound to, and what is carried out.

Pure. Made by tools, shown by preview.py, carried out by applying.py from the very bytes that were approved. Paths are
absolute. A step that reads a file names what the file was, by its size, time and inode: what is found must be that.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from dispatch_host.scope import Facts, fold, shown

MOST_STEPS = 50_000
MOST_BYTES = 16 * 1024 * 1024
MOST_TEXT_BYTES = 128 * 1024
"""Of the words that one step writes: a person reads all of them before they say yes."""
TITLE_BYTES = 3 * 1024
"""Of a plan's title: it is one line of plain text, the question in which it is asked for."""
_PATH_CHARACTERS = 16 * 1024


class BadPlan(ValueError):
    """Bytes that are no plan, or a plan that can't be carried out whatever is found."""


class How(StrEnum):
    """What a new file is made of its source."""

    TEXT = "text"  # the words of a PDF or an office document
    CSV = "csv"  # a sheet; `part` is its name
    ENTRY = "entry"  # a file in an archive; `part` is its name there
    COPY = "copy"  # the very bytes


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
class Rewrite:
    """Give a text file that is there other words. The old ones are in the step, so that what is shown is all that differs."""

    path: str
    expected: Facts
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a file away. It is kept with the record of the change for a while."""

    path: str
    expected: Facts


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """Take away a folder that is empty by then."""

    path: str


@dataclass(frozen=True, slots=True)
class Convert:
    """Make a new file of another one, which stays as it is. Of an archive it is exactly one entry: two may have one name."""

    source: str
    target: str
    expected: Facts
    how: How
    most_bytes: int  # that may be written; of an entry and a copy exactly so many
    part: str = ""
    entry: int = 0  # its place in the archive, from 0
    crc: int = 0  # what the archive says of the entry


@dataclass(frozen=True, slots=True)
class Zip:
    """Pack files and folders into a new archive. `listing` is the digest of all that is packed, which may be many."""

    sources: tuple[str, ...]
    target: str
    base: str  # the folder from which the names in the archive begin
    files: int
    size: int  # bytes, before they are packed
    most_bytes: int  # of the archive
    listing: str


Step: TypeAlias = MakeFolder | Move | Write | Rewrite | Delete | RemoveFolder | Convert | Zip
_DO: dict[str, type[Step]] = {
    "make_folder": MakeFolder,
    "move": Move,
    "write": Write,
    "rewrite": Rewrite,
    "delete": Delete,
    "remove_folder": RemoveFolder,
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
    """Give the one file that a step reads, moves, rewrites or deletes."""
    match step:
        case Move(source) | Convert(source):
            return source
        case Rewrite(path) | Delete(path):
            return path
        case _:
            return None


def makes(step: Step) -> str | None:
    """Give the path that is there after a step and was not before, or not with those words."""
    match step:
        case MakeFolder(path) | Rewrite(path):
            return path
        case Delete() | RemoveFolder():
            return None
        case _:
            return step.target


def takes(step: Step) -> str | None:
    """Give the path that is not there any more after a step."""
    match step:
        case Move(source):
            return source
        case Delete(path) | RemoveFolder(path):
            return path
        case _:
            return None


def place(step: Step) -> str:
    """Give the one path that a step is about, for a person."""
    return makes(step) or takes(step) or ""


def keeps(step: Step) -> Facts | None:
    """Give the file that is kept with the record, so that it can come back."""
    return step.expected if isinstance(step, Rewrite | Delete) else None


def writes(step: Step) -> int:
    """Give how many bytes a step writes at most, without what it keeps for undoing."""
    match step:
        case Convert() | Zip():
            return step.most_bytes
        case Write(_, content):
            return len(encoded(content))
        case Rewrite(_, _, _, new):
            return len(encoded(new))
        case _:
            return 0


def encoded(words: str) -> bytes:
    """Give the bytes of words; those that are no UTF-8 are what they were."""
    return words.encode(errors="surrogateescape")


def check(plan: Plan) -> None:
    """Check what needs no look at the disk; raise BadPlan. No two steps make the same path, none takes a file twice."""
    title = plan.title
    if not title or title != shown(title).strip() or len(title.encode()) > TITLE_BYTES:
        raise BadPlan("a title that is no line of text")
    if not plan.steps or len(plan.steps) > MOST_STEPS:
        raise BadPlan("no steps, or too many")
    made: set[str] = set()
    taken: set[str] = set()
    exact: set[str] = set()
    for step in plan.steps:
        for path in _paths(step):
            if not path.startswith("/") or os.path.normpath(path) != path or "\0" in path:
                raise BadPlan("a path that is not spelled out")
        if isinstance(step, Convert) and step.how is How.COPY and step.most_bytes != step.expected.size:
            raise BadPlan("a copy of another size")
        source = reads(step)
        if source is not None and source in taken:
            raise BadPlan("a file that an earlier step has taken away")
        if source is not None and source in exact:
            raise BadPlan("a file that an earlier step makes")
        target, gone = makes(step), takes(step)
        if target is not None and fold(target) in made:
            raise BadPlan("two steps make the same path")
        if target is not None:
            made.add(fold(target))
            exact.add(target)
        if gone is not None:
            if gone in taken:
                raise BadPlan("a path that an earlier step has taken away")
            taken.add(gone)


def _paths(step: Step) -> Sequence[str]:
    match step:
        case MakeFolder(path) | Rewrite(path) | Delete(path) | RemoveFolder(path):
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


_TEXTS = ("path", "source", "target", "content", "old", "new", "part", "base", "listing")
_WORDS = ("content", "old", "new")
_COUNTS = ("files", "size", "most_bytes", "entry", "crc")


def _step(said: dict[str, Any]) -> Step:
    given = {name: value for name, value in said.items() if name != "do"}
    for name, value in given.items():
        if name in _TEXTS:
            _is_text(value, MOST_TEXT_BYTES if name in _WORDS else _PATH_CHARACTERS)
            if name in _WORDS and len(value.encode(errors="surrogatepass")) > MOST_TEXT_BYTES:
                raise BadPlan("too many words for a person to read")
        elif name in _COUNTS:
            _is_count(value)
            if value < 0:
                raise BadPlan("less than nothing")
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
