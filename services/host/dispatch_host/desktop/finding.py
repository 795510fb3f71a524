"""Finds the document that a person or a model names, in the approved folders. Blocking, called in threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatch_host.desktop.documents import Opens, looked_at_bytes, opens
from dispatch_host.scope import Folder, KeptOut, Refused, Scope, Tally

_MOST_LOOKED_AT = 200_000
MOST_FOUND = 20


class NoDocument(Exception):
    """What was named can't be opened, and why."""


def documents(
    said: str, folders: Sequence[Folder], *, home: Path, keep_out: Sequence[Path | KeptOut], inbox: Path | None = None
) -> list[Path]:
    """Give the files that a name or a path means, at most MOST_FOUND. A path outside means none."""
    with Scope(folders, keep_out=keep_out, inbox=inbox) as scope:
        if "/" in said or said.startswith("~"):
            path = os.path.join(home, said[2:]) if said.startswith("~/") else said
            located = scope.locate(path) if os.path.isabs(path) else None
            return [] if located is None else [Path(located[0].absolute(located[1]))]
        wanted, found, looked = said.casefold(), [], 0
        for root in scope.outermost:
            for entry in root.walk("", Tally()):
                looked += 1
                if not entry.is_dir and entry.name.casefold() == wanted:
                    found.append(Path(root.absolute(entry.path)))
                if looked >= _MOST_LOOKED_AT or len(found) >= MOST_FOUND:
                    return found
        return found


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may be opened: the approved folder that it is in, and what opening it comes to."""

    path: Path
    folder: Folder
    opens: Opens


def check(path: Path, folders: Sequence[Folder], *, keep_out: Sequence[Path | KeptOut]) -> Document:
    """See that a document may be opened, and what that comes to. Raises NoDocument."""
    with Scope(folders, keep_out=keep_out) as scope:
        located = scope.locate(os.fspath(path))
        if located is None:
            raise NoDocument("it is in no approved folder")
        try:
            with scope.open_file(*located) as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(looked_at_bytes(path))
        except Refused as refused:
            raise NoDocument(f"it is {refused.reason}") from refused
        except OSError as failure:
            raise NoDocument("it can't be read") from failure
        does = opens(path, mode, content)
        if does is Opens.AS_PROGRAM:
            raise NoDocument("opening it could run it: it is a program, a script or the like")
        return Document(path, located[0].folder, does)
