"""Opens what a program may see: the approved folders, by descriptors that no link and no swap redirects.

Called by bubblewrap.py for each program. A folder is opened as the scope opens it, beneath `/` and through no link, and is
bound by that descriptor. What is inside a folder and has a right of its own, a nested folder or what is kept out, would lose
it if the program renamed a folder above it: each folder on the way becomes a mount, which can't be renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dispatch_host.sandbox.arguments import SYSTEM, Bound, View, can_be_bound, wanted
from dispatch_host.scope import Beneath, Folder, best_beneath

_OPEN = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY
_HOMELESS = Path("/home/dispatch")


@contextmanager
def opened(folders: Sequence[Folder], *, keep_out: Sequence[Path], home: Path) -> Iterator[View]:
    """Hold the folders open. One that is gone, a link, kept out or nothing for programs is left out."""
    with ExitStack() as stack:
        beneath = best_beneath()
        top = os.open("/", _OPEN | os.O_CLOEXEC)
        stack.callback(os.close, top)
        bound = [
            Bound(folder.path, descriptor, folder.writable)
            for folder in _outermost_right(folders)
            if can_be_bound(folder.path)
            and not any(folder.path.is_relative_to(path) for path in keep_out)
            and (descriptor := _open(beneath, top, folder.path, stack)) is not None
        ]
        inside = [path for path in keep_out if any(_is_in(path, one.path) for one in bound)]
        hidden = [path for path in inside if _open(beneath, top, path, stack) is not None]
        pins = [
            Bound(path, descriptor, writable)
            for path, writable in _between(bound, [*hidden, *(one.path for one in bound)])
            if (descriptor := _open(beneath, top, path, stack)) is not None
        ]
        yield View(
            bound=[*bound, *pins],
            hidden=hidden,
            home=home if _can_be_home(home) else _HOMELESS,
            there=frozenset(path for path in wanted() if os.path.exists(path)),
        )


def _can_be_home(path: Path) -> bool:
    """Tell whether a folder can be made there: services have homes such as / and /usr/sbin."""
    return path.is_absolute() and can_be_bound(path) and not any(path.is_relative_to(one) for one in (*SYSTEM, "/etc"))


def _open(beneath: Beneath, top: int, path: Path, stack: ExitStack) -> int | None:
    try:
        descriptor = beneath.open(top, str(path).lstrip("/"), _OPEN)
    except OSError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor


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


def _is_in(path: Path, folder: Path) -> bool:
    return path != folder and path.is_relative_to(folder)
