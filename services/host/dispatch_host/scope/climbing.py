"""Where an open folder is, told by climbing up from it: by what the folders are, whoever renames what meanwhile."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from dispatch_host.scope.kept import Identity

THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC  # needs no leave to list it


def is_within(folder: int, kept: Collection[Identity]) -> bool:
    """Tell whether an open folder is one of these, or lies in one."""
    return any(identity in kept for identity in upwards(folder))


def upwards(folder: int) -> Iterator[Identity]:
    """Give what an open folder is, what it lies in, and so on to the top."""
    here, identity = os.dup(folder), None
    try:
        while True:
            facts = os.fstat(here)
            if (facts.st_dev, facts.st_ino) == identity:
                return
            identity = facts.st_dev, facts.st_ino
            yield identity
            above = os.open("..", THROUGH, dir_fd=here)
            os.close(here)
            here = above
    finally:
        os.close(here)
