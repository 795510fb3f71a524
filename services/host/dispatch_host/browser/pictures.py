"""Pictures of pages, for the phone: in the host's home, where no agent and no program reads. The last hundred are kept.

A phone fetches a file from where it lies (docs/files.md); one that is gone by then is told to be.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOST = 100
MOST_BYTES = 32 * 1024**2
_COPY_BYTES = 1024**2


class TooLarge(Exception):
    """More than a picture has."""


def keep(folder: Path, descriptor: int, *, task_id: str) -> Path:
    """Copy a picture out of the browser's sandbox and give its place; close the descriptor. Raises TooLarge, OSError. Blocking."""
    with open(descriptor, "rb") as source:
        folder.mkdir(mode=0o700, exist_ok=True)
        old = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in old[: max(0, len(old) - MOST + 1)]:
            path.unlink(missing_ok=True)
        taken = {path.name for path in old}
        name = next(name for n in range(1, MOST + 2) if (name := f"screenshot-{task_id[:8]}-{n}.png") not in taken)
        path = folder.resolve() / name
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(made, "wb") as target:
                left = MOST_BYTES
                while data := source.read(_COPY_BYTES):
                    left -= len(data)
                    if left < 0:
                        raise TooLarge
                    target.write(data)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return path
