"""Where attachments are put: a folder for each thread in the host's home, within a bound over all of them.

Blocking, called in threads; knows no journal. What is arriving lies in a folder of its own, under its id.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dispatch import errors
from dispatch.device.home import storing
from dispatch.files.description import Described
from dispatch.files.partial import Free, Partial, free_bytes, placed
from dispatch.ids import FileId

_ARRIVING = ".arriving"
MOST_FILES = 10_000
"""A disk has a bound of files, too."""
KEPT_SECONDS = 24 * 60 * 60
"""How long what has begun to arrive, and what no task has named, waits for the phone to go on."""


class Inbox:
    """All attachments of a host."""

    def __init__(self, root: Path, *, most_bytes: int, free: Free = free_bytes) -> None:
        # Fixed after __init__.
        self._root = Path(os.path.realpath(root))  # what is opened beneath it is opened without links
        self._most_bytes = most_bytes
        self._free = free
        # Touched on the loop only.
        self._arriving: dict[FileId, int] = {}

    def of(self, thread: int) -> Path:
        """Give a thread's folder, which need not be there."""
        return self._root / str(thread)

    @contextlib.contextmanager
    def room(self, file: Described) -> Iterator[None]:
        """Hold room for a file that is about to arrive. Raises NoRoom when attachments would take more than they may."""
        count, used = self._used(besides=file.file_id)
        if used + file.size > self._most_bytes or count >= MOST_FILES:
            raise errors.NoRoom("attachments take all the room that they may take on this computer")
        self._arriving[file.file_id] = file.size
        try:
            yield
        finally:
            del self._arriving[file.file_id]

    def _used(self, *, besides: FileId) -> tuple[int, int]:
        """Count what is there and what is on its way, each file once, at its full size: how many, and their bytes."""
        coming = {_part(file_id) for file_id in (*self._arriving, besides)}
        there = [
            _size(path) for path in self._root.rglob("*") if not (path.parent.name == _ARRIVING and path.name in coming)
        ]
        return len(there) + len(self._arriving), sum(there) + sum(self._arriving.values())

    def partial(self, file: Described) -> Partial:
        """Open the beginning of a file. Raises NoRoom, StoreFailed."""
        folder = self._root / _ARRIVING
        _make(folder)
        return Partial(folder / _part(file.file_id), file, free=self._free)

    def put(self, partial: Partial, thread: int) -> Path:
        """Put a whole file into its thread's folder. Raises StoreFailed."""
        folder = self.of(thread)
        _make(folder)
        return placed(partial, folder, partial.file.name)

    def sweep(self, *, now_seconds: float) -> None:
        """Forget what began to arrive and was left alone."""
        for path in (self._root / _ARRIVING).glob("*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < now_seconds - KEPT_SECONDS:
                    path.unlink()

    def remove(self, path: Path) -> None:
        """Delete one attachment."""
        with contextlib.suppress(OSError):
            path.unlink()

    def remove_thread(self, thread: int) -> None:
        """Delete all attachments of a thread. Raises StoreFailed."""
        folder = self.of(thread)
        with storing(folder), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)


def _make(folder: Path) -> None:
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _part(file_id: FileId) -> str:
    return f"{file_id.hex()}.part"


def _size(path: Path) -> int:
    try:
        facts = os.lstat(path)
    except OSError:
        return 0
    return facts.st_size if not path.is_dir() else 0
