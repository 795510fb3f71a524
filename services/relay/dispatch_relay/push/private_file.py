"""Reads a file that holds a secret of the operator's: the VAPID key (`keys`), or the addresses of services (`services`)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read(path: Path) -> bytes:
    """Read it. Raises ValueError when others than its owner may read or write it, OSError."""
    # Opened before it is looked at, so that what was checked is what is read.
    with path.open("rb") as opened:
        if os.name == "posix" and os.fstat(opened.fileno()).st_mode & _OTHERS:
            raise ValueError(f"{path} may be read by others: chmod 600 it, and consider what is in it known")
        return opened.read()
