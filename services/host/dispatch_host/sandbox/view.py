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
from pathlib import Path

from dispatch_host.sandbox.arguments import SYSTEM, Bound, View, can_be_bound, wanted
from dispatch_host.sandbox.program import NoProgram
from dispatch_host.scope import Beneath, Folder, best_beneath

_OPEN = getattr(os, "O_PATH", os.O_RDONLY)
_HOMELESS = Path("/home/dispatch")


@contextmanager
def opened(
    folders: Sequence[Folder], *, keep_out: Sequence[Path], home: Path, only_read: Sequence[Path] = ()
) -> Iterator[View]:
    """Hold the folders open. One that is gone, a link, kept out or nothing for programs is left out.

    `only_read` is what no program may change, whatever is approved: the host's own code, which runs outside of the sandbox.
    Raises NoProgram when something in a folder is kept out and can't be hidden: it is never shown for that.
    """
    with ExitStack() as stack:
        opening = _Opening(stack)
        rights = [
            Folder(folder.path, folder.writable and not _is_of(folder.path, only_read))
            for folder in _outermost_right(folders)
            if can_be_bound(folder.path) and not _is_of(folder.path, keep_out)
        ]
        bound = [
            Bound(folder.path, descriptor, folder.writable)
            for folder in rights
            if (descriptor := opening.folder(folder.path)) is not None
        ]
        hidden, covered = opening.kept_out([path for path in keep_out if _is_inside(path, bound)])
        code = [
            Bound(path, opening.must(path), False)
            for path in only_read
            if _is_inside(path, [one for one in bound if one.writable])
            and not _is_of(path, (*hidden, *covered))
            and os.path.exists(path)
        ]
        fixed = [one for one in code if all(one.path != other.path for other in bound)]
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

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._beneath: Beneath = best_beneath()
        self._top = os.open("/", _OPEN | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, self._top)

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

    def _open(self, path: Path, kind: int) -> int:
        descriptor = self._beneath.open(self._top, str(path).lstrip("/"), _OPEN | kind)
        self._stack.callback(os.close, descriptor)
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


def _is_of(path: Path, places: Sequence[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _is_inside(path: Path, bound: Sequence[Bound]) -> bool:
    return any(path != one.path and path.is_relative_to(one.path) for one in bound)
