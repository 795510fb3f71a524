"""The book of files: what was attached, how far it is, and what the host has named for this phone to get."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dispatch.files.description import Described
from dispatch.ids import FileId, PairId


class FileState(StrEnum):
    """Where a file is, as far as this phone knows."""

    BEGUN = "begun"
    """An attachment that the host does not have whole, or that no task has named."""
    SENT = "sent"
    """An attachment of a task that the host has accepted."""
    THERE = "there"
    """An artifact on the computer."""
    FETCHED = "fetched"
    """An artifact that was fetched to a path here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a thread."""

    file: Described
    pair_id: PairId
    task_id: bytes
    """The newest that names it. What goes with a task its own action says: two may name the same file."""
    state: FileState
    path: Path | None
    """Where it is, or was, on this device."""
    at_ms: int

    @property
    def is_artifact(self) -> bool:
        """Tell which way it goes."""
        return self.state in (FileState.THERE, FileState.FETCHED)


_COLUMNS = "file_id, pair_id, task_id, name, size, sha256, key, state, path, at_ms"


class FileBook:
    """Reads and writes files, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of_pairing(self, pair_id: PairId) -> list[StoredFile]:
        """List a pairing's, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM files WHERE pair_id = ? ORDER BY at_ms, file_id",  # noqa: S608 -- constant
            (pair_id,),
        )
        return [_file(row) for row in rows]

    def get(self, file_id: bytes) -> StoredFile | None:
        """Give one."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM files WHERE file_id = ?", (file_id,)).fetchone()  # noqa: S608 -- constant
        return None if row is None else _file(row)

    def add(self, stored: StoredFile) -> None:
        """Keep one; in the place of what was known of it."""
        file = stored.file
        path = None if stored.path is None else os.fsencode(stored.path)
        self._connection.execute(
            f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 -- constant
            (
                file.file_id, stored.pair_id, stored.task_id, file.name, file.size, file.sha256, file.key,
                stored.state, path, stored.at_ms,
            ),
        )  # fmt: skip

    def learn(self, stored: StoredFile) -> None:
        """Keep what the host says of a file: it knows the task; where it is on this device only this one knows."""
        known = self.get(stored.file.file_id)
        if known is None:
            self.add(stored)
        elif known.state is FileState.BEGUN:
            self._connection.execute(
                "UPDATE files SET state = ?, task_id = ? WHERE file_id = ?",
                (stored.state, stored.task_id, stored.file.file_id),
            )

    def begun(self, pair_id: PairId, *, sha256: bytes, name: str) -> StoredFile | None:
        """Find the same bytes under the same name that are on their way."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM files WHERE pair_id = ? AND sha256 = ? AND name = ?"  # noqa: S608 -- constant
            " AND state = ? ORDER BY at_ms DESC LIMIT 1",
            (pair_id, sha256, name, FileState.BEGUN),
        ).fetchone()
        return None if row is None else _file(row)

    def fetched(self, file_id: bytes, path: Path) -> None:
        """Note where an artifact is now."""
        self._connection.execute(
            "UPDATE files SET state = ?, path = ? WHERE file_id = ?", (FileState.FETCHED, os.fsencode(path), file_id)
        )


def _file(row: tuple[bytes, bytes, bytes, str, int, bytes, bytes, str, bytes | None, int]) -> StoredFile:
    file_id, pair_id, task_id, name, size, sha256, key, state, path, at_ms = row
    return StoredFile(
        file=Described(file_id=FileId(file_id), name=name, size=size, sha256=sha256, key=key),
        pair_id=PairId(pair_id),
        task_id=task_id,
        state=FileState(state),
        path=None if path is None else Path(os.fsdecode(path)),
        at_ms=at_ms,
    )
