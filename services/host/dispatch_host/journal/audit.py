"""The audit log: each use of a permission, the oldest going first. Functions over a step's transaction."""

from __future__ import annotations

from collections.abc import Iterator

from dispatch.ids import TaskId

from dispatch_host.journal.values import AuditLine, AuditVerdict
from dispatch_host.journal.writer import Tx

LINES = 100_000
SUBJECT_CHARACTERS = 1024


def add(tx: Tx, line: AuditLine, *, most: int = LINES) -> None:
    """Add a line, and let the oldest go when there are too many. What is no text in it becomes question marks."""
    written = tx.execute(
        "INSERT INTO audit (at_ms, task_id, permission, subject, verdict, who) VALUES (?, ?, ?, ?, ?, ?)",
        (line.at_ms, line.task_id, _text(line.permission), _text(line.subject), line.verdict, line.by),
    )
    tx.execute("DELETE FROM audit WHERE id <= ?", ((written.lastrowid or 0) - most,))


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
            ),
        )


def _text(said: str) -> str:
    return said.encode("utf-8", "replace").decode()[:SUBJECT_CHARACTERS]
