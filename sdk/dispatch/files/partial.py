"""A file that is arriving: written aside, under a name that says so, and under its own only when it is whole.

What is there is always a beginning without a gap, so its length says where to go on. Blocking: called in threads, by one
transfer at a time. Nothing is left of it when there is no room, or when its bytes do not fit its digest.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dispatch import errors
from dispatch.files.description import Described
from dispatch.files.names import numbered
from dispatch.files.threads import Abandoned, Stopped, never
from dispatch.sealed.file import CHUNK_BYTES, count_of

_READ_BYTES = 1024 * 1024
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)
_MOST_NUMBERS = 10_000

Free = Callable[[Path], int]
"""Gives the bytes that may still be written in a folder."""


RESERVE_BYTES = 256 * 1024 * 1024
_RESERVE_SHARE = 20


def free_bytes(folder: Path) -> int:
    """Ask the file system how much of its room a file may take: all but a twentieth of the disk, or RESERVE_BYTES if that is less.

    A disk that is full to its last byte stops everything that remembers: the journal, the phone's own store.
    """
    facts = os.statvfs(folder)
    reserve = min(RESERVE_BYTES, facts.f_blocks * facts.f_frsize // _RESERVE_SHARE)
    return max(0, facts.f_bavail * facts.f_frsize - reserve)


def hashed(fd: int, size: int, *, stopped: Stopped = never) -> hashlib._Hash:
    """Hash (SHA-256) the first `size` bytes of an open file. Raises FileChanged when there are not as many, Abandoned."""
    hasher, at = hashlib.sha256(), 0
    while at < size:
        if stopped():
            raise Abandoned
        read = os.pread(fd, min(_READ_BYTES, size - at), at)
        if not read:
            raise errors.FileChanged("it became shorter")
        hasher.update(read)
        at += len(read)
    return hasher


class Partial:
    """The beginning of a file. Use it as a context manager; it stays on the disk unless `drop` or `placed` takes it away."""

    def __init__(self, path: Path, file: Described, *, free: Free = free_bytes, stopped: Stopped = never) -> None:
        """Open it, or what an earlier transfer left of it.

        Raises NoRoom, StoreFailed, RateLimited (it is arriving already), Abandoned.
        """
        # Fixed after __init__.
        self.path = path
        self.file = file
        # Touched by the one transfer. A transfer that is cut off leaves its thread behind for a moment: the lock keeps it
        # from a descriptor that is closed, and perhaps somebody else's by then.
        self._using = threading.Lock()
        self.closed = False
        self.dropped = False
        with self._storing():
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._begin(free, stopped)
        except BaseException:
            os.close(self._fd)
            raise

    def _begin(self, free: Free, stopped: Stopped) -> None:
        import fcntl  # noqa: PLC0415 -- not on every platform

        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.RateLimited("this file is arriving already", retry_after_ms=1_000) from None
        with self._storing():
            found = os.fstat(self._fd).st_size
            there = found if found == self.file.size else found // CHUNK_BYTES * CHUNK_BYTES
            if there > self.file.size:
                there = 0
            os.ftruncate(self._fd, there)
            self.chunks = count_of(self.file.size) if there == self.file.size and there else there // CHUNK_BYTES
            if self.file.size - there > free(self.path.parent):
                self.drop()
                raise errors.NoRoom("the disk is too full")
            self._hasher = hashed(self._fd, there, stopped=stopped)
            self._at = there

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, when the thread that works on it has let go: that may be a whole flush of the disk."""
        with self._using:
            if not self.closed:
                self.closed = True
                os.close(self._fd)

    @property
    def whole(self) -> bool:
        """Whether all chunks are there; whether they are right, `check` says."""
        return self.chunks == self.file.chunks

    @property
    def done_bytes(self) -> int:
        """Give how much of it is there."""
        return self._at

    def write(self, contents: Sequence[bytes]) -> None:
        """Write the next chunks. Raises NoRoom, with nothing left behind, or StoreFailed."""
        with self._using, self._storing():
            if self.closed:
                return
            for content in contents:
                view = memoryview(content)
                while view:
                    written = os.pwrite(self._fd, view, self._at)
                    view, self._at = view[written:], self._at + written
                self._hasher.update(content)
                self.chunks += 1

    def check(self) -> None:
        """Make sure that it is what was named, and on the disk. Raises FileChanged, with nothing left behind."""
        with self._using:
            if self.closed:
                return
            if self._at != self.file.size or self._hasher.digest() != self.file.sha256:
                self.drop()
                raise errors.FileChanged("the bytes do not fit the digest")
            with self._storing():
                os.fsync(self._fd)

    def drop(self) -> None:
        """Leave nothing of it. Called by who has it open, before it has another name."""
        self.dropped = True
        with contextlib.suppress(OSError):
            if os.fstat(self._fd).st_nlink == 1:
                os.ftruncate(self._fd, 0)  # its room is free at once, whoever else still holds it open
        with contextlib.suppress(OSError):
            self.path.unlink()

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            if failure.errno in _NO_ROOM:
                if hasattr(self, "_fd"):
                    self.drop()
                raise errors.NoRoom("the disk is full") from failure
            raise errors.StoreFailed(f"a file that arrives: {failure.strerror}") from failure


def placed(partial: Partial, folder: Path, name: str, *, replace: bool = False) -> Path:
    """Give a checked file its name: this one, or with a number behind it where that is taken. Raises StoreFailed."""
    if not replace:
        final = linked(partial, folder, name)
        with contextlib.suppress(OSError):
            partial.path.unlink()
        return final
    with _placing():
        final = folder / name
        partial.path.replace(final)
        _flush(folder)
        return final


def linked(partial: Partial, folder: Path, name: str) -> Path:
    """Give it that name as `placed` does, and leave its beginning where it is, for whoever has still to remember the name."""
    with _placing():
        final = _linked(partial.path, folder, name)
        _flush(folder)
        return final


@contextlib.contextmanager
def _placing() -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise errors.StoreFailed(f"a file that arrived can't be put in its place: {failure.strerror}") from failure


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _linked(path: Path, folder: Path, name: str) -> Path:
    """Link: unlike a rename it never takes a name that is taken meanwhile."""
    for number in range(1, _MOST_NUMBERS):
        final = folder / numbered(name, number)
        try:
            os.link(path, final, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError as failure:
            if failure.errno not in _NO_LINKS:
                raise
            # A file system without links (a memory stick): looking first is the best there is.
            if os.path.lexists(final):
                continue
            path.rename(final)
        return final
    raise FileExistsError(errno.EEXIST, "as many files have this name as there are numbers")
