"""How many files a process may have open, which is how many connections it may hold. Pure, but for `allowed`."""

from __future__ import annotations

import resource
from collections.abc import Sequence

OTHERS = 200
"""Files that a relay or a load process has open besides its connections: its store, its libraries, its pipes."""


def allowed() -> int:
    """Raise this process's limit of open files as far as it may, for those that it starts, too; gives the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def possible(streams: Sequence[int], *, files: int) -> tuple[tuple[int, ...], str]:
    """Give the numbers of streams that fit into a limit of files, each a connection, and a sentence about those that do not.

    The largest number that does fit takes the place of those.
    """
    most = max(1, files - OTHERS)
    if max(streams) <= most:
        return tuple(streams), ""
    fitting = sorted({min(count, most) for count in streams})
    return tuple(fitting), f"{max(streams)} streams need more than the {files} files of `ulimit -n`: {most} were held."
