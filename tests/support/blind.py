"""A disk that does not tell upper from lower case, nor one form of a letter from another, as those of macOS and Windows do.

Put in where the scope opens paths: a name finds what is called alike. What is opened is what a real one would give: it knows its
folder, its device and its inode, and not by which name somebody came.
"""

from __future__ import annotations

import os
import unicodedata

from dispatch_host.scope import Beneath


def alike(name: str) -> str:
    """Write a name as such a disk compares it."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


class Blind:
    """Opens by the names that are there, however they are written."""

    name = "blind"

    def __init__(self, beneath: Beneath) -> None:
        self._beneath = beneath

    def open(self, dir_fd: int, path: str, flags: int) -> int:
        """Open what is called alike; as the real one where nothing is."""
        found: list[str] = []
        for part in path.split("/"):
            there = self._list(dir_fd, "/".join(found))
            found.append(next((name for name in there if alike(name) == alike(part)), part))
        return self._beneath.open(dir_fd, "/".join(found), flags)

    def _list(self, dir_fd: int, path: str) -> list[str]:
        try:
            folder = self._beneath.open(dir_fd, path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return os.listdir(folder)
        finally:
            os.close(folder)
