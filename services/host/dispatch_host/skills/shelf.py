"""Where skills are: folders of folders, opened as the scope opens files, through no link. Finds skills and reads their files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from dispatch_host.scope import Entry, Folder, KeptOut, Refused, Root, Scope, Tally
from dispatch_host.scope.theirs import lies_where_agents_write
from dispatch_host.skills.front_matter import Unreadable, mistakes, split

FILE_BYTES = 1024 * 1024
_NAMES = ("SKILL.md", "skill.md")
MOST_SKILLS = 200
COPY_FILES, COPY_BYTES = 2_000, 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A skill, or what would be one."""

    name: str  # its folder's
    shelf: Path
    about: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    wrong: Sequence[str] = ()
    keep_out: Sequence[KeptOut] = field(default=(), repr=False)
    """What nobody may read, also where it lies in a skill."""

    @property
    def folder(self) -> Path:
        return self.shelf / self.name


class NotRead(Exception):
    """A file of a skill that can't be read. The text says why."""


def found_in(shelf: Path, keep_out: Sequence[KeptOut] = ()) -> list[Found]:
    """List the skills of a folder, the bad ones with what is wrong. A folder that is not there has none.

    `keep_out` is what is not read, unless the shelf lies in it: that of the host's home does.
    """
    keep_out = [one for one in keep_out if not shelf.is_relative_to(one.path)]
    with Scope([Folder(shelf)], keep_out=keep_out) as scope:
        if not scope.roots:
            return []
        [root] = scope.roots
        folders = sorted(
            entry.name for entry in root.list("", Tally()) if entry.is_dir and not entry.name.startswith(".")
        )
        found = [_found(scope, root, shelf, name) for name in folders[:MOST_SKILLS]]
        return [replace(skill, keep_out=keep_out) for skill in found]


def read(skill: Found, path: str) -> bytes:
    """Read a file in a skill's folder. Raises NotRead."""
    with _opened(skill) as (scope, root):
        return _content(scope, root, path)


def files_of(skill: Found) -> list[str]:
    """List the files of a skill."""
    with _opened(skill) as (_, root):
        return sorted(entry.path for entry in _walk(root) if not entry.is_dir)


@contextmanager
def copied(skill: Found, *, where: Sequence[Path], theirs: Sequence[Path]) -> Iterator[Path]:
    """Hold a copy of a skill's folder, which changes no more: what was approved is what runs. Raises NotRead.

    It lies in the first of the folders `where` that is there and not where agents may write (`theirs`): one that approves the
    folder for temporary files must not have it changed while its question is open.
    """
    above = next(
        (one for one in where if os.access(one, os.W_OK) and not lies_where_agents_write(one.resolve(), theirs)), None
    )
    if above is None:
        raise NotRead("there is no folder for its copy in which agents may not write")
    target = tempfile.mkdtemp(prefix="dispatch-skill-", dir=above)
    try:
        with _opened(skill) as (scope, root):
            _copy(scope, root, target)
        yield Path(os.path.realpath(target))
    finally:
        shutil.rmtree(target, ignore_errors=True)


def digest(folder: Path) -> str:
    """Give what a copy is known by, in hexadecimal: its names and all that is in them. Modes are the copy's, not the skill's."""
    whole = sha256()
    for path in sorted(folder.rglob("*"), key=os.fsencode):
        name = os.fsencode(path.relative_to(folder))
        content = b"" if path.is_dir() else sha256(path.read_bytes()).digest()
        whole.update(len(name).to_bytes(4, "big") + name + len(content).to_bytes(1, "big") + content)
    return whole.hexdigest()


def _found(scope: Scope, root: Root, shelf: Path, name: str) -> Found:
    try:
        name.encode()
        entries = {entry.name for entry in root.list(name, Tally())}
        file = next((one for one in _NAMES if one in entries), None)
        if file is None:
            return Found(name, shelf, wrong=["there is no SKILL.md in it"])
        document = split(_content(scope, root, f"{name}/{file}").decode())
    except UnicodeError:
        return Found(name.encode("utf-8", "replace").decode(), shelf, wrong=["it is not UTF-8"])
    except (Unreadable, NotRead) as why:
        return Found(name, shelf, wrong=[str(why)])
    if wrong := mistakes(document.front, name):
        return Found(name, shelf, wrong=wrong)
    return Found(name, shelf, document.front["description"].strip(), document.body)


@contextmanager
def _opened(skill: Found) -> Iterator[tuple[Scope, Root]]:
    with Scope([Folder(skill.folder)], keep_out=skill.keep_out) as scope:
        if not scope.roots:
            raise NotRead("the skill is not there any more")
        yield scope, scope.roots[0]


def _content(scope: Scope, root: Root, path: str) -> bytes:
    if os.path.isabs(path) or ".." in path.split("/") or "\0" in path or not path:
        raise NotRead("a path is relative to the skill's folder, and stays in it")
    try:
        with scope.open_file(root, path) as source:
            content = source.read(FILE_BYTES + 1)
    except Refused as refused:
        raise NotRead(f"it is {refused.reason}") from None
    except (OSError, UnicodeError, ValueError):
        raise NotRead("it can't be read") from None
    if len(content) > FILE_BYTES:
        raise NotRead(f"it is larger than {FILE_BYTES} bytes")
    return content


def _walk(root: Root) -> Iterator[Entry]:
    """Give every file and folder. Raises NotRead where there are too many."""
    size = 0
    for files, entry in enumerate(root.walk("", Tally()), start=1):
        size += 0 if entry.is_dir else entry.size
        if files > COPY_FILES or size > COPY_BYTES:
            raise NotRead("the skill's folder is too large")
        yield entry


def _copy(scope: Scope, root: Root, target: str) -> None:
    for entry in _walk(root):
        path = os.path.join(target, entry.path)
        if entry.is_dir:
            os.makedirs(path, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with scope.open_file(root, entry.path) as source, open(path, "xb") as copy:
                shutil.copyfileobj(source, copy)
        except Refused as refused:
            raise NotRead(f"{entry.path} is {refused.reason}") from None
