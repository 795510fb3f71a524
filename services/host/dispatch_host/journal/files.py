"""Attachments that arrived and artifacts that were told, by id. Functions over a step's transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dispatch import errors
from dispatch.files.description import Described
from dispatch.ids import FileId

from dispatch_host.journal.values import FileKind, StoredFile
from dispatch_host.journal.writer import Tx


@dataclass(frozen=True, slots=True)
class Kept:
    """How many attachments there are, and their bytes."""

    files: int
    size: int


def add(tx: Tx, stored: StoredFile) -> None:
    """Remember a file. One that is known was deleted by somebody and came again: it is where it is now."""
    file = stored.file
    tx.execute(
        "INSERT INTO file (file_id, thread, kind, name, size, sha256, key, path, mtime_ns, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file_id) DO UPDATE SET path = excluded.path",
        (
            file.file_id,
            stored.thread,
            stored.kind,
            file.name,
            file.size,
            file.sha256,
            file.key,
            os.fsencode(stored.path),
            stored.mtime_ns,
            stored.at_ms,
        ),
    )


def find(tx: Tx, file_id: bytes, *, thread: int, kind: FileKind) -> StoredFile | None:
    """Give a file of a thread."""
    row = tx.execute(
        "SELECT * FROM file WHERE file_id = ? AND thread = ? AND kind = ?", (file_id, thread, kind)
    ).fetchone()
    return None if row is None else _stored(row)


def has_arrived(tx: Tx, file: Described, *, thread: int) -> bool:
    """Tell whether exactly this file is here, for this thread. Raises IdReused when its id names another one."""
    row = tx.execute("SELECT * FROM file WHERE file_id = ?", (file.file_id,)).fetchone()
    if row is None:
        return False
    known = _stored(row)
    same = (known.thread, known.kind, known.file.size) == (thread, FileKind.ATTACHMENT, file.size)
    if not same or (known.file.sha256, known.file.key) != (file.sha256, file.key):
        raise errors.IdReused("another file has this id")
    return True


def claim(tx: Tx, file_ids: Iterable[bytes], *, thread: int) -> None:
    """Note that a task names these attachments: they stay as long as the thread does."""
    tx.executemany(
        "UPDATE file SET claimed = 1 WHERE file_id = ? AND thread = ?", [(file_id, thread) for file_id in file_ids]
    )


def forget_unclaimed(tx: Tx, *, before_ms: int) -> None:
    """Forget the attachments that arrived before then and that no task has named."""
    tx.execute("DELETE FROM file WHERE kind = ? AND claimed = 0 AND at_ms < ?", (FileKind.ATTACHMENT, before_ms))


def attachments(tx: Tx) -> list[StoredFile]:
    """List all attachments, of all threads."""
    return [_stored(row) for row in tx.execute("SELECT * FROM file WHERE kind = ?", (FileKind.ATTACHMENT,))]


def kept(tx: Tx, *, besides: Iterable[bytes]) -> Kept:
    """Count the attachments of all threads, besides those that are counted elsewhere."""
    others = list(besides)
    marks = ", ".join("?" * len(others))
    row = tx.execute(
        f"SELECT count(*), coalesce(sum(size), 0) FROM file WHERE kind = ? AND file_id NOT IN ({marks})",  # noqa: S608 -- marks only
        (FileKind.ATTACHMENT, *others),
    ).fetchone()
    return Kept(*row)


def forget_thread(tx: Tx, thread: int) -> None:
    """Forget every file of a thread: its pairing was ended."""
    tx.execute("DELETE FROM file WHERE thread = ?", (thread,))


def _stored(row: sqlite3.Row) -> StoredFile:
    file = Described(
        file_id=FileId(row["file_id"]), key=row["key"], name=row["name"], size=row["size"], sha256=row["sha256"]
    )
    return StoredFile(
        file=file,
        thread=row["thread"],
        kind=FileKind(row["kind"]),
        path=Path(os.fsdecode(row["path"])),
        mtime_ns=row["mtime_ns"],
        at_ms=row["at_ms"],
    )
