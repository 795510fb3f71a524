"""What a backup holds: a value for each kind of folder, and the list of files at its end. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

FORMAT = 1
RESTORING = ".restoring"
"""Stands in a folder into which a backup was not put back to the end."""


class Unsound(Exception):
    """This is no backup, or not a whole one; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What of a folder is kept. Patterns are of paths below it, with `/`, and `*` stands for any signs but that."""

    of: str
    """Whose folder it is; a backup of another kind is not taken for one of this."""
    databases: Sequence[str]
    """SQLite files, in the order in which they are copied: before everything that they name."""
    keys: Sequence[str]
    """Files that a backup without keys leaves out."""
    others: Sequence[str] = ()
    """What else is kept: names at the top, files or folders. What is not named is left out, so that nothing comes in unseen."""

    def takes(self, name: str, *, keys: bool) -> bool:
        """Tell whether a file that is no database belongs in a backup."""
        if any(_matches(name, pattern) for pattern in self.keys):
            return keys
        return any(_matches(name.partition("/")[0], pattern) for pattern in self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in a backup."""

    name: str
    bytes: int
    sha256: str
    """In hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What stands at the end of a backup: that there is an end, and what came before it."""

    of: str
    made_at_ms: int
    version: str
    """Of the program that wrote it."""
    keys: bool
    entries: Sequence[Entry]

    def to_bytes(self) -> bytes:
        """Write it as JSON."""
        said = {"dispatch_backup": FORMAT, **asdict(self)}
        return json.dumps(said, indent=1).encode()

    @classmethod
    def of_bytes(cls, content: bytes) -> Manifest:
        """Read it. Raises Unsound."""
        try:
            said = json.loads(content)
            if said["dispatch_backup"] != FORMAT:
                raise Unsound(f"it has the format {said['dispatch_backup']!r}, and this version reads {FORMAT}")
            return cls(
                of=_kind(said, "of", str),
                made_at_ms=_kind(said, "made_at_ms", int),
                version=_kind(said, "version", str),
                keys=_kind(said, "keys", bool),
                entries=[
                    Entry(
                        name=_kind(one, "name", str), bytes=_kind(one, "bytes", int), sha256=_kind(one, "sha256", str)
                    )
                    for one in _kind(said, "entries", list)
                ],
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unsound("its list of files can't be read") from None


def safe(name: str) -> str:
    """Give a path below a folder as it is; raises Unsound for one that could lead out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != name or "\0" in name or "\\" in name:
        raise Unsound(f"it holds a file named {name!r}")
    return name


def _kind(said: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    value = said[name]
    if type(value) is not kind:
        raise TypeError(name)
    return value


def _matches(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)
