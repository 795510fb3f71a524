"""Where agents may write, and whether a path leads there. What lies there is theirs: it is not started, and not believed, as
something of the owner's own.

One predicate for skills, for the programs of connectors and for applications (docs/permissions.md, Where agents may write).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dispatch_host.scope.folder import Folder

_MOST_LINKS = 40  # as the system has it


def where_agents_write(folders: Sequence[Folder], own: Sequence[Path]) -> list[Path]:
    """List the approved folders that may be changed, and `own`: those that external agents have for themselves."""
    return [*(folder.path for folder in folders if folder.writable), *own]


def agents_may_write_to(path: Path, places: Sequence[Path]) -> bool:
    """Tell whether a path, a link on its way or something in it lies in one of these places."""
    return lies_where_agents_write(path, places) or any(_has_any_in_it(one, places) for one in trail(path))


def lies_where_agents_write(path: Path, places: Sequence[Path]) -> bool:
    """The same without what is in it: for a folder that is too large to be meant as a whole, such as a home."""
    theirs = {_identity(place) for place in places} - {None}
    return any(
        any(one.is_relative_to(place) for place in places)
        or any(_identity(above) in theirs for above in (one, *one.parents))
        for one in trail(path)
    )


def is_theirs(path: Path, places: Sequence[Path], *, home: Path) -> bool:
    """Tell whether something that is started from a path in some way is agents' own; `home` is the owner's.

    What is above the whole home says nothing of what in it is meant.
    """
    return (lies_where_agents_write if home.is_relative_to(path) else agents_may_write_to)(path, places)


def _has_any_in_it(path: Path, places: Sequence[Path]) -> bool:
    identity = _identity(path)
    return any(
        place.is_relative_to(path) or (identity is not None and identity in map(_identity, place.resolve().parents))
        for place in places
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """Give what a folder is, by whichever of its names: a disk may not tell upper from lower case, or have it at two places."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino


def trail(path: Path) -> Iterator[Path]:
    """Give where a path leads, and each link that it leads through: whoever may change one of them chooses what is there."""
    here, left, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    while left:
        name = left.pop()
        if name == "..":
            here = here.parent
            continue
        here /= name
        try:
            target = Path(os.readlink(here))
        except (OSError, ValueError):
            continue  # no link, or not there: the rest is as it is written
        yield here
        links += 1
        if links > _MOST_LINKS:
            return
        here = Path("/") if target.is_absolute() else here.parent
        left += reversed([part for part in target.parts if part != "/"])
    yield here
