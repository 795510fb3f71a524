"""A file of this computer that is being given: read by place, in threads, by whoever has it open."""

from __future__ import annotations

import os
import threading
from typing import BinaryIO

from dispatch import errors
from dispatch.files.partial import hashed
from dispatch.files.threads import Stopped, never


class OpenFile:
    """A Source. Use it as a context manager; it closes the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # A transfer that is cut off leaves its thread behind for a moment: it must not read from a descriptor that is closed.
        self._using = threading.Lock()

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, when the thread that reads from it has let go."""
        with self._using:
            self._file.close()

    def read(self, at: int, length: int) -> bytes:
        """Give bytes of the file; fewer when there are no more. Raises FileUnknown when it can't be read."""
        with self._using:
            if self._file.closed:
                return b""
            try:
                return _read(self._file.fileno(), at, length)
            except OSError as failure:
                raise errors.FileUnknown(f"it can't be read: {failure.strerror}") from failure

    def digest(self, size: int, *, stopped: Stopped = never) -> bytes:
        """Compute the SHA-256 of the whole. Raises FileChanged, Abandoned."""
        return hashed(self._file.fileno(), size, stopped=stopped).digest()

    def facts(self) -> os.stat_result:
        """Say how large it is and when it was changed."""
        return os.fstat(self._file.fileno())


def _read(fd: int, at: int, length: int) -> bytes:
    parts = []
    while length and (part := os.pread(fd, length, at)):
        parts.append(part)
        at, length = at + len(part), length - len(part)
    return b"".join(parts)
