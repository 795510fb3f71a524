"""Where attachments are put: a folder for each thread in the host's home, within a bound over all of them.

Knows no journal: what is whole it is told. What is arriving lies in a folder of its own, under its id. Called by `attachments`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatch import errors
from dispatch.files.description import Described
from dispatch.files.partial import Free, Partial, free_bytes, linked
from dispatch.files.threads import Stopped
from dispatch.ids import ID_BYTES, FileId
from dispatch.storing import storing

from dispatch_host.journal.files import Kept

_ARRIVING = ".arriving"
_PART = ".part"
MOST_FILES = 10_000
"""A disk has a bound of files, too."""


class Room:
    """What is held for a file that arrives, from before anything of it is written until it is whole or given up."""

    def __init__(self, inbox: Inbox, file: Described, *, before: Sequence[Room]) -> None:
        # Fixed after __init__.
        self.file = file
        self._inbox = inbox
        self._before = before
        # Set once, when it is open.
        self._partial: Partial | None = None
        # Set once, by who holds it.
        self.over = False
        self.whole = False

    @property
    def counted(self) -> list[FileId]:
        """List the files that are counted as arriving here, this one among them."""
        return [self.file.file_id, *(room.file.file_id for room in self._before)]

    def check(self, kept: Kept) -> None:
        """Raise NoRoom when attachments would take more than they may; `kept` are the whole ones, less the `counted`."""
        left = self._inbox.left_besides(self.counted)
        count = kept.files + len(self._before) + len(left)
        used = kept.size + sum(room.file.size for room in self._before) + sum(left)
        if used + self.file.size > self._inbox.most_bytes or count >= MOST_FILES:
            raise errors.NoRoom("attachments take all the room that they may take on this computer")

    @property
    def missing_bytes(self) -> int:
        """Give how much of it has still to be written."""
        if self.over:
            return 0
        return self.file.size - (self._partial.done_bytes if self._partial is not None else 0)

    def open(self, stopped: Stopped) -> Partial:
        """Open the beginning of the file. Raises NoRoom, StoreFailed, RateLimited, Abandoned. Blocking."""
        to_come = sum(room.missing_bytes for room in self._before)
        self._partial = self._inbox.partial(self.file, to_come=to_come, stopped=stopped)
        return self._partial

    @property
    def left_bytes(self) -> int | None:
        """Give what is left of it on the disk when it is over; None when it was never opened, so nothing has changed."""
        if self._partial is None:
            return None
        return 0 if self.whole or self._partial.dropped else self._partial.done_bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A file beneath the inbox, as the disk has it."""

    path: Path
    size: int
    mtime: float

    @property
    def place(self) -> tuple[str, str]:
        """Say in which folder it is, and under which name: a home may have been moved since."""
        return self.path.parent.name, self.path.name

    @property
    def is_arriving(self) -> bool:
        """Tell whether it is the beginning of a file."""
        return self.path.parent.name == _ARRIVING

    @property
    def file_id(self) -> FileId | None:
        """Give of which file it is the beginning."""
        try:
            found = bytes.fromhex(self.path.name.removesuffix(_PART))
        except ValueError:
            return None
        return FileId(found) if len(found) == ID_BYTES else None


class Inbox:
    """All attachments of a host."""

    def __init__(self, root: Path, *, most_bytes: int, free: Free = free_bytes) -> None:
        # Fixed after __init__.
        self._root = Path(os.path.realpath(root))  # what is opened beneath it is opened without links
        self.most_bytes = most_bytes
        self._free = free
        # Touched on the loop only.
        self._rooms: dict[FileId, Room] = {}
        self._left: dict[FileId, int] = {}  # beginnings that nobody goes on with just now

    def of(self, thread: int) -> Path:
        """Give a thread's folder, which need not be there."""
        return self._root / str(thread)

    @contextlib.contextmanager
    def room(self, file: Described) -> Iterator[Room]:
        """Hold room for a file that is about to arrive; `check` says whether there is any. Raises RateLimited."""
        if file.file_id in self._rooms:
            raise errors.RateLimited("this file is arriving already", retry_after_ms=1_000)
        room = Room(self, file, before=list(self._rooms.values()))
        self._rooms[file.file_id] = room
        try:
            yield room
        finally:
            room.over = True
            del self._rooms[file.file_id]
            if (left := room.left_bytes) is not None:
                self._left[file.file_id] = left

    def left_besides(self, counted: Collection[FileId]) -> list[int]:
        """Give the bytes of each beginning that lies there, besides those that are counted at their full size."""
        return [size for file_id, size in self._left.items() if size and file_id not in counted]

    def holds(self, file_id: FileId | None) -> bool:
        """Tell whether a file is arriving just now."""
        return file_id in self._rooms

    def swept(self, there: Sequence[Found], *, gone: Sequence[Found]) -> None:
        """Hear which beginnings a sweep found on the disk, and which went. What happened meanwhile is known better here."""
        found = {one.file_id: one.size for one in there if one.file_id is not None and not self.holds(one.file_id)}
        went = {one.file_id for one in gone}
        self._left = {
            file_id: size for file_id, size in {**found, **self._left}.items() if size and file_id not in went
        }

    # ---- Blocking, called in threads.

    def partial(self, file: Described, *, to_come: int, stopped: Stopped) -> Partial:
        """Open the beginning of a file, with room on the disk for the rest and what others have still `to_come`."""
        folder = self._root / _ARRIVING
        _make(folder)
        path = folder / f"{file.file_id.hex()}{_PART}"
        return Partial(path, file, free=lambda there: self._free(there) - to_come, stopped=stopped)

    def put(self, partial: Partial, thread: int) -> Path:
        """Give a whole file its name in its thread's folder; its beginning stays until that is remembered. Raises StoreFailed."""
        folder = self.of(thread)
        _make(folder)
        return linked(partial, folder, partial.file.name)

    def found(self) -> list[Found]:
        """List what lies here, arriving or whole."""
        folders = [path for path in self._listed(self._root) if path.name == _ARRIVING or path.name.isdecimal()]
        return [one for folder in folders for path in self._listed(folder) if (one := _found(path)) is not None]

    def _listed(self, folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except OSError:  # not there, or not readable: then nothing of it is known, and nothing is deleted
            return []

    def remove(self, path: Path) -> None:
        """Delete one."""
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


def _found(path: Path) -> Found | None:
    try:
        facts = path.lstat()
    except OSError:
        return None
    return Found(path, facts.st_size, facts.st_mtime)
