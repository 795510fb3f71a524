"""What no agent may read, whatever is approved: the host's own keys and journal. Known by what it is, not only by its path.

A path is a word that anybody who may rename a folder above it can change; a device and an inode stay. Held from the moment it is
named, for later the path may lead elsewhere. Made by keep_out.py; used by whoever opens a scope, and by the sandbox.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[int, int]
"""Device and inode."""

_HOLD = getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC
_F_GETPATH = 50  # of macOS
_PATH_BYTES = 4096


class KeptOut:
    """One file or folder that is kept out."""

    def __init__(self, path: Path, identity: Identity | None, *, fd: int | None = None) -> None:
        """Use `hold` or `at`; this is for what another process has found out."""
        self._path = path
        self.identity = identity
        self._fd = fd

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeptOut) and (self.path, self.identity) == (other.path, other.identity)

    def __hash__(self) -> int:
        return hash(self.identity)

    @classmethod
    def hold(cls, path: Path) -> KeptOut:
        """Hold it for as long as the process lives, so that it is found again wherever it is moved."""
        path = path.resolve()
        try:
            fd = os.open(path, _HOLD)
        except OSError:
            return cls(path, None)
        facts = os.fstat(fd)
        return cls(path, (facts.st_dev, facts.st_ino), fd=fd)

    @classmethod
    def at(cls, path: Path) -> KeptOut:
        """Look what is at a path now."""
        try:
            facts = os.stat(path)
        except OSError:
            return cls(path, None)
        return cls(path, (facts.st_dev, facts.st_ino))

    @property
    def is_gone(self) -> bool:
        """Tell whether it is deleted, or can't be found any more."""
        try:
            facts = os.stat(self._path) if self._fd is None else os.fstat(self._fd)
        except OSError:
            return True
        return facts.st_nlink == 0 or (facts.st_dev, facts.st_ino) != self.identity

    def let_go(self) -> None:
        """Hold it no longer."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def path(self) -> Path:
        """Give where it is now; where it was where that can't be told."""
        with contextlib.suppress(OSError, ValueError):
            if self._fd is not None and sys.platform == "linux":
                return Path(os.readlink(f"/proc/self/fd/{self._fd}"))
            if self._fd is not None and sys.platform == "darwin":
                return Path(os.fsdecode(fcntl.fcntl(self._fd, _F_GETPATH, bytes(_PATH_BYTES)).rstrip(b"\0")))
        return self._path
