"""Which folders skills lie in: `skills` in the home, and those that the owner added, kept in `skills.json` beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from dispatch import errors
from dispatch.device.home import read_private, write_private

_FILE = "skills.json"
MOST = 32


class Shelves:
    """The folders of one host."""

    def __init__(self, home: Path) -> None:
        self._own = Path(os.path.realpath(home)) / "skills"  # opened through no link
        self._file = home / _FILE

    def paths(self) -> Sequence[Path]:
        """Give all of them, the home's own first. A file that can't be read names none."""
        return [self._own, *(Path(path) for path in self._added())]

    def add(self, path: str) -> bool:
        """Add a folder; tells whether it is new. Raises BadRequest for what is no folder, StoreFailed."""
        try:
            folder = Path(path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise errors.BadRequest("there is no such folder", metadata={"field": "path"}) from None
        if not folder.is_dir():
            raise errors.BadRequest("that is no folder", metadata={"field": "path"})
        if (folder / "SKILL.md").exists():
            raise errors.BadRequest("that is a skill: add the folder that it lies in", metadata={"field": "path"})
        added = self._added()
        if len(added) >= MOST:
            raise errors.BadRequest(f"at most {MOST} folders", metadata={"field": "path"})
        if str(folder) in added:
            return False
        self._write([*added, str(folder)])
        return True

    def remove(self, path: str) -> bool:
        """Remove a folder from the list; tells whether it was there. Raises StoreFailed."""
        added = self._added()
        left = [one for one in added if one not in {path, str(Path(path).resolve())}]
        if left == added:
            return False
        self._write(left)
        return True

    def _added(self) -> list[str]:
        try:
            said = json.loads(read_private(self._file) or b"[]")
        except ValueError:
            return []
        return [one for one in said if isinstance(one, str) and one.startswith("/")] if isinstance(said, list) else []

    def _write(self, paths: Sequence[str]) -> None:
        write_private(self._file, json.dumps(list(paths)).encode())
