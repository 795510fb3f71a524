"""Attachments that arrived and artifacts that were told, by id. Functions over a step's transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from dispatch.files.description import Described
from dispatch.ids import FileId, TaskId

from dispatch_host.journal.values import FileKind, StoredFile
from dispatch_host.journal.writer import Tx


def add(tx: Tx, stored: StoredFile) -> None:
    """Remember a file; one of the same id is replaced."""
    file = stored.file
    tx.execute(
        "INSERT OR REPLACE INTO file (file_id, thread, kind, task_id, name, size, sha256, key, path, mtime_ns, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file.file_id,
            stored.thread,
            stored.kind,
            stored.task_id,
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
    """Tell whether exactly this file is here, for this thread."""
    known = find(tx, file.file_id, thread=thread, kind=FileKind.ATTACHMENT)
    return known is not None and (known.file.size, known.file.sha256) == (file.size, file.sha256)


def name_task(tx: Tx, file_ids: Iterable[bytes], task_id: TaskId) -> None:
    """Let attachments belong to a task."""
    tx.executemany("UPDATE file SET task_id = ? WHERE file_id = ?", [(task_id, file_id) for file_id in file_ids])


def attachments_of(tx: Tx, task_id: TaskId) -> list[StoredFile]:
    """List what came with a task."""
    rows = tx.execute(
        "SELECT * FROM file WHERE task_id = ? AND kind = ? ORDER BY at_ms, file_id", (task_id, FileKind.ATTACHMENT)
    )
    return [_stored(row) for row in rows]


def forget(tx: Tx, file_id: FileId) -> None:
    """Forget a file."""
    tx.execute("DELETE FROM file WHERE file_id = ?", (file_id,))


def unclaimed(tx: Tx, *, before_ms: int) -> list[StoredFile]:
    """List the attachments that arrived before then and that no task has named."""
    rows = tx.execute(
        "SELECT * FROM file WHERE kind = ? AND task_id = x'' AND at_ms < ?", (FileKind.ATTACHMENT, before_ms)
    )
    return [_stored(row) for row in rows]


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
        task_id=row["task_id"],
        path=Path(os.fsdecode(row["path"])),
        mtime_ns=row["mtime_ns"],
        at_ms=row["at_ms"],
    )
