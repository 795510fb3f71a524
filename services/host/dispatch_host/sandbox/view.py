"""Opens what a program may see: the approved folders, by descriptors that no link and no swap redirects.

Called by bubblewrap.py, unconfined.py and the browser's chamber, for each program. A folder is opened as the scope opens it,
beneath `/` and through no link, and is bound by that descriptor. What is inside a folder and has a right of its own, a nested
folder, what is kept out or the host's own code, would lose it if the program renamed a folder above it: each folder on the way
becomes a mount, which can't be renamed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dispatch_host.sandbox.arguments import SYSTEM, Bound, View, can_be_bound, wanted
from dispatch_host.sandbox.program import NoProgram
from dispatch_host.scope import Beneath, Folder, Identity, best_beneath, fold
from dispatch_host.scope.climbing import upwards

_OPEN = getattr(os, "O_PATH", os.O_RDONLY)
_HOMELESS = Path("/home/dispatch")


@dataclass(frozen=True, slots=True)
class _Place:
    """A path, and what is there: that itself, the folder it lies in, and so on to the top. Empty for what is not there."""

    path: Path
    upwards: Sequence[Identity]


@contextmanager
def opened(
    folders: Sequence[Folder],
    *,
    keep_out: Sequence[Path],
    home: Path,
    only_read: Sequence[Path] = (),
    beneath: Beneath | None = None,
) -> Iterator[View]:
    """Hold the folders open. One that is gone, a link, kept out or nothing for programs is left out.

    `only_read` is what no program may change, whatever is approved: the host's own code, which runs outside of the sandbox.
    Raises NoProgram when something in a folder is kept out and can't be hidden: it is never shown for that.
    """
    with ExitStack() as stack:
        opening = _Opening(stack, beneath or best_beneath())
        kept, code = [[opening.place(path) for path in paths] for paths in (keep_out, only_read)]
        bound: list[Bound] = []
        places: list[_Place] = []
        for folder in _outermost_right(folders):
            descriptor = opening.folder(folder.path) if can_be_bound(folder.path) else None
            place = None if descriptor is None else _where(folder.path, descriptor)
            if descriptor is not None and place is not None and not _is_of(place, kept):
                places.append(place)
                bound.append(Bound(folder.path, descriptor, folder.writable and not _is_of(place, code)))
        writable = [place for place, one in zip(places, bound, strict=True) if one.writable]
        # A nested folder keeps its right by each name that the outer one gives it.
        given = {one.path for one in bound}
        bound += [
            Bound(path, one.descriptor, one.writable)
            for place, one in list(zip(places, bound, strict=True))
            for path in _seen_at(place, places)
            if path not in given
        ]
        hidden, covered = opening.kept_out([path for place in kept for path in _seen_at(place, places)])
        fixed = [
            Bound(path, opening.must(path), False)
            for place in code
            for path in _seen_at(place, writable)
            if not any(path.is_relative_to(one) for one in (*hidden, *covered))
            and os.path.exists(place.path)
            and all(path != one.path for one in bound)
        ]
        inner = [*hidden, *covered, *(one.path for one in (*bound, *fixed))]
        pins = [Bound(path, opening.must(path), writable) for path, writable in _between([*bound, *fixed], inner)]
        yield View(
            bound=[*bound, *fixed, *pins],
            hidden=hidden,
            covered=covered,
            home=home if _can_be_home(home) else _HOMELESS,
            there=frozenset(path for path in wanted() if os.path.exists(path)),
        )


class _Opening:
    """Opens paths beneath `/`, for as long as the stack."""

    def __init__(self, stack: ExitStack, beneath: Beneath) -> None:
        self._stack = stack
        self._beneath = beneath
        self._top = os.open("/", _OPEN | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, self._top)

    def place(self, path: Path) -> _Place:
        """Look what is at a path."""
        try:
            with ExitStack() as stack:
                descriptor = self._open(path, 0, stack)
                facts = os.fstat(descriptor)
                if stat.S_ISDIR(facts.st_mode):
                    return _Place(path, tuple(upwards(descriptor)))
                above = self._open(path.parent, os.O_DIRECTORY, stack)
                return _Place(path, ((facts.st_dev, facts.st_ino), *upwards(above)))
        except OSError:
            return _Place(path, ())

    def folder(self, path: Path) -> int | None:
        """Open a folder; None for what is none, or is gone, or lies behind a link."""
        try:
            return self._open(path, os.O_DIRECTORY)
        except OSError:
            return None

    def must(self, path: Path) -> int:
        """Open what a mount has to be put on. Raises NoProgram."""
        try:
            return self._open(path, 0)
        except OSError as failure:
            raise NoProgram("something in the folder that programs may not touch can't be kept from them") from failure

    def kept_out(self, paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        """Tell what of this is a folder, and what is a file. Raises NoProgram for what can't be hidden."""
        hidden, covered = [], []
        for path in paths:
            mode = os.fstat(self.must(path)).st_mode
            if stat.S_ISDIR(mode):
                hidden.append(path)
            elif not stat.S_ISLNK(mode):
                covered.append(path)
            else:
                raise NoProgram("something in the folder that programs may not touch is a link by now")
        return hidden, covered

    def _open(self, path: Path, kind: int, stack: ExitStack | None = None) -> int:
        descriptor = self._beneath.open(self._top, str(path).lstrip("/"), _OPEN | kind)
        (stack or self._stack).callback(os.close, descriptor)
        return descriptor


def _can_be_home(path: Path) -> bool:
    """Tell whether a folder can be made there: services have homes such as / and /usr/sbin."""
    return path.is_absolute() and can_be_bound(path) and not any(path.is_relative_to(one) for one in (*SYSTEM, "/etc"))


def _outermost_right(folders: Sequence[Folder]) -> list[Folder]:
    """Take each path once, with the most that was approved for it."""
    rights: dict[Path, bool] = {}
    for folder in folders:
        rights[folder.path] = folder.writable or rights.get(folder.path, False)
    return [Folder(path, writable) for path, writable in rights.items()]


def _between(bound: Sequence[Bound], inner: Sequence[Path]) -> list[tuple[Path, bool]]:
    """List the folders between a bound one and what is inside it, each with the right of the innermost bound above it."""
    given = {one.path: one.writable for one in bound}
    between: dict[Path, bool] = {}
    for path in inner:
        above = next((parent for parent in path.parents if parent in given), None)
        if above is None:
            continue
        for parent in path.parents:
            if parent == above:
                break
            between[parent] = given[above]
    return list(between.items())


def _where(path: Path, descriptor: int) -> _Place | None:
    """Tell where an open folder is; None where that can't be told, for then it might be anywhere."""
    try:
        return _Place(path, tuple(upwards(descriptor)))
    except OSError:
        return None


def _is_of(folder: _Place, places: Sequence[_Place]) -> bool:
    """Tell whether a folder is one of these, or lies in one: by what they are, for a disk may have more names for one of them."""
    return any(
        folder.path.is_relative_to(one.path)
        or (one.upwards[0] in folder.upwards if one.upwards else _lies(folder, one))
        for one in places
    )


def _seen_at(place: _Place, bound: Sequence[_Place]) -> list[Path]:
    """Give the paths at which a program would find a place in bound folders, whatever each of them is called."""
    if not place.upwards:
        return [place.path] if any(_lies(place, one) for one in bound) else []
    named = [place.path] if any(one.path in place.path.parents for one in bound) else []
    found = (
        one.path.joinpath(*place.path.parts[-place.upwards.index(one.upwards[0], 1) :])
        for one in bound
        if one.upwards[0] in place.upwards[1:]
    )
    return list(dict.fromkeys([*named, *found]))


def _lies(inner: _Place, outer: _Place) -> bool:
    """Tell by the names alone, as the blindest disk compares them: of what is not there they are all that is known."""
    return inner.path != outer.path and Path(fold(str(inner.path))).is_relative_to(fold(str(outer.path)))
