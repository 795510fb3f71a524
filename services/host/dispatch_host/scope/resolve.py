"""Which approved folder a person means by "Downloads", "my documents", "~/Downloads/invoices" or "/home/me/Documents".

Called by the assistant with the words cut from a request. Only looks inside the scope: a name that is not found there
is not approved, and the answer says how to add it.
"""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import dataclass

from dispatch_host.scope.refusal import Refused
from dispatch_host.scope.root import Root, Tally
from dispatch_host.scope.scope import Scope

_FOLDERS_SEARCHED = 20_000  # looking for a subfolder by its name gives up here and says it is not there


@dataclass(frozen=True, slots=True)
class Place:
    """A folder inside the scope: where a task looks."""

    root: Root
    path: str  # relative to the root

    @property
    def label(self) -> str:
        """The folder by the name that a person knows it by. As it is: whoever writes it escapes it."""
        return f"{self.root.label}/{self.path}" if self.path else self.root.label


class FolderNotApproved(Exception):
    """The folder a person named is not approved, or none is."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class NoSuchFolder(Exception):
    """The path lies in an approved folder, but there is no such folder."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class SeveralFolders(Exception):
    """More than one folder has the name the person gave."""

    def __init__(self, said: str, places: list[Place]) -> None:
        super().__init__(said)
        self.said = said
        self.places = places


def find_folder(scope: Scope, said: str, *, home: str) -> Place:
    """Find the folder a person named; raise FolderNotApproved, NoSuchFolder or SeveralFolders."""
    said = said.strip()
    if said.startswith("~"):
        if said != "~" and not said.startswith("~/"):
            raise FolderNotApproved(said)  # another user's home
        return _by_path(scope, said, os.path.join(home, said[2:]))
    if said.startswith("/"):
        return _by_path(scope, said, said)
    if re.match(r"[A-Za-z]:[\\/]", said):
        raise FolderNotApproved(said)
    return _by_name(scope, said)


def _by_path(scope: Scope, said: str, absolute: str) -> Place:
    found = scope.locate(absolute) or scope.locate(os.path.realpath(absolute))
    if found is None:
        raise FolderNotApproved(said)
    return _existing(Place(*found), said)


def _by_name(scope: Scope, said: str) -> Place:
    first, _, rest = os.path.normpath(said).partition("/")
    if first == "..":
        raise FolderNotApproved(said)
    roots = [root for root in scope.roots if same_name(root.folder.path.name, first)]
    if not roots:
        inside = _subfolders(scope, first)
        if not inside:
            raise FolderNotApproved(said)
        places = [Place(place.root, _join(place.path, rest)) for place in inside]
    else:
        places = [Place(root, rest) for root in roots]
    if len(places) == 1:
        return _existing(places[0], said)
    there = [place for place in places if _is_folder(place)]
    if len(there) == 1:
        return there[0]
    if not there:
        raise NoSuchFolder(said)
    raise SeveralFolders(said, there)


def _existing(place: Place, said: str) -> Place:
    """Return the place with the case it has on disk, if it is a folder."""
    if not place.path or _is_folder(place):
        return place
    actual = ""
    for part in place.path.split("/"):
        names = [e.name for e in place.root.list(actual, Tally()) if e.is_dir and same_name(e.name, part)]
        if not names:
            raise NoSuchFolder(said)
        actual = _join(actual, part if part in names else min(names))
    return Place(place.root, actual)


def _is_folder(place: Place) -> bool:
    try:
        return place.root.stat(place.path).is_dir
    except Refused:
        return False


def _subfolders(scope: Scope, name: str) -> list[Place]:
    """Find subfolders of that name, the least deep first, and only of the least depth."""
    found: list[Place] = []
    waiting = deque((root, "", 0) for root in scope.outermost)
    depth_found: int | None = None
    looked = 0
    while waiting and looked < _FOLDERS_SEARCHED:
        root, path, depth = waiting.popleft()
        if depth_found is not None and depth >= depth_found:
            break
        looked += 1
        for entry in root.list(path, Tally()):
            if entry.is_dir:
                waiting.append((root, entry.path, depth + 1))
                if same_name(entry.name, name):
                    depth_found = depth + 1
                    found.append(Place(root, entry.path))
    return sorted(found, key=lambda place: place.label)


def same_name(actual: str, said: str) -> bool:
    """Compare folder names as people say them: no case, `-` and `_` as spaces, singular or plural."""
    return _plain(actual) == _plain(said)


def _plain(name: str) -> str:
    words = re.sub(r"[\s_-]+", " ", name.casefold()).strip()
    return words[:-1] if len(words) > 3 and words.endswith("s") else words


def _join(path: str, rest: str) -> str:
    return f"{path}/{rest}" if path and rest else path or rest
