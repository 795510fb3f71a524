"""Giving something another name without ever taking that name from somebody else. Called by hands.py only.

Two implementations of one rule, tested by one conformance function: the kernel's renameat2 with RENAME_NOREPLACE, and
elsewhere a second name that is made before the first is taken away, which only works for files.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Protocol

_NOREPLACE = 1
_NOT_HERE = (errno.ENOSYS, errno.EINVAL)  # a kernel or a file system that does not know the flag


class Rename(Protocol):
    """Renames a file from one open folder into another; raises FileExistsError where the new name is taken."""

    name: str

    def __call__(self, from_fd: int, old: str, to_fd: int, new: str) -> None:
        """Rename; raise OSError as rename(2) does, and EEXIST for a name that is taken."""
        ...


class LinkThenUnlink:
    """Gives the second name, which fails when it is taken, then takes the first away. In between the file has both."""

    name = "link and unlink"

    def __call__(self, from_fd: int, old: str, to_fd: int, new: str) -> None:
        os.link(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
        os.unlink(old, dir_fd=from_fd)


class RenameAt2:
    """Lets the kernel look and rename in one step, and falls back for a file system that can't."""

    name = "renameat2"

    def __init__(self) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).renameat2
        self._otherwise = LinkThenUnlink()

    def __call__(self, from_fd: int, old: str, to_fd: int, new: str) -> None:
        given = self._call(
            ctypes.c_int(from_fd),
            ctypes.c_char_p(os.fsencode(old)),
            ctypes.c_int(to_fd),
            ctypes.c_char_p(os.fsencode(new)),
            ctypes.c_uint(_NOREPLACE),
        )
        if given == 0:
            return
        code = ctypes.get_errno()
        if code in _NOT_HERE:
            self._otherwise(from_fd, old, to_fd, new)
            return
        raise OSError(code, os.strerror(code), new)


@cache  # a fact about the system's library: looked up once for the process
def best_rename() -> Rename:
    """Give the kernel's way where the system's library has it, else the fallback."""
    try:
        return RenameAt2()
    except AttributeError:
        return LinkThenUnlink()
