"""One approved folder as data: what `folders add` stores and what a scope is made from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class FolderRefused(Exception):
    """A path that can't be approved: it does not exist, is no folder, or can't be listed."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder the person approved. `path` is absolute and free of links, so that what was approved stays what is opened."""

    path: Path
    writable: bool = False

    @classmethod
    def approve(cls, said: str | Path, *, writable: bool = False) -> Folder:
        """Make the folder a person named into one that can be stored; raise FolderRefused with the cause."""
        try:
            path = Path(said).expanduser().resolve(strict=True)
            if not path.is_dir():
                raise FolderRefused(f"{path} is not a folder")
            os.listdir(path)
        except (OSError, RuntimeError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else str(error)
            raise FolderRefused(f"{said} can't be approved: {cause}") from error
        return cls(path, writable)
