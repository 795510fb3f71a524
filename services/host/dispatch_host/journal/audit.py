"""The audit log: each use of a permission, the oldest going first. Functions over a step's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from dispatch.ids import TaskId

from dispatch_host.journal.values import AuditLine, AuditVerdict
from dispatch_host.journal.writer import Tx

LINES = 100_000
TASK_LINES = 10_000
"""Of one task with one verdict: no task pushes out what others did, nor by what it is refused what it was allowed."""
SUBJECT_CHARACTERS = 1024


def add(tx: Tx, line: AuditLine, *, most: int = LINES, of_task: int = TASK_LINES) -> None:
    """Add a line, or count it where the task has exactly this one; the oldest go when there are too many.

    What is no text in it becomes question marks.
    """
    said = (_text(line.permission), _text(line.subject), line.verdict, line.by)
    same = sha256(repr(said).encode()).digest()
    again = tx.execute(
        "UPDATE audit SET times = times + 1, last_ms = ? WHERE task_id = ? AND same = ?",
        (line.at_ms, line.task_id, same),
    )
    if again.rowcount:
        return
    written = tx.execute(
        "INSERT INTO audit (at_ms, last_ms, task_id, permission, subject, verdict, who, same) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (line.at_ms, line.at_ms, line.task_id, *said, same),
    )
    tx.execute(
        "DELETE FROM audit WHERE task_id = ?1 AND verdict = ?2 AND id <="
        " (SELECT id FROM audit WHERE task_id = ?1 AND verdict = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        (line.task_id, line.verdict, of_task),
    )
    (oldest,) = tx.execute("SELECT min(id) FROM audit").fetchone()
    if (written.lastrowid or 0) - oldest >= most:  # counting walks through all of it, and there may be gaps
        tx.execute(
            "DELETE FROM audit WHERE id IN"
            " (SELECT id FROM audit ORDER BY id LIMIT max(0, (SELECT count(*) FROM audit) - ?))",
            (most,),
        )


def before(tx: Tx, line_id: int | None, *, limit: int, task_id: bytes = b"") -> Iterator[tuple[int, AuditLine]]:
    """Give the lines before one (None: the newest), newest first, with ids to go on before."""
    rows = tx.execute(
        "SELECT * FROM audit WHERE (? IS NULL OR id < ?) AND (? = x'' OR task_id = ?) ORDER BY id DESC LIMIT ?",
        (line_id, line_id, task_id, task_id, limit),
    )
    for row in rows.fetchall():
        yield (
            row["id"],
            AuditLine(
                at_ms=row["at_ms"],
                task_id=TaskId(row["task_id"]),
                permission=row["permission"],
                subject=row["subject"],
                verdict=AuditVerdict(row["verdict"]),
                by=row["who"],
                times=row["times"],
                last_ms=row["last_ms"],
            ),
        )


def _text(said: str) -> str:
    return said.encode("utf-8", "replace").decode()[:SUBJECT_CHARACTERS]
