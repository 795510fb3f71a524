"""The audit log: each use of a permission, the oldest going first. Functions over a step's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from dispatch.ids import TaskId

from dispatch_host.journal.values import AuditLine, AuditVerdict
from dispatch_host.journal.writer import Tx

LINES = 100_000
TASK_LINES = 10_000
"""Of one task with one verdict; what comes then is counted in one more. No task pushes out what it did, nor what others did."""
MORE, NOT_TOLD = "more", "other uses, not told one by one"
SUBJECT_CHARACTERS = 1024


def add(tx: Tx, line: AuditLine, *, most: int = LINES, of_task: int = TASK_LINES) -> None:
    """Add a line, or count it: where the task has exactly this one, and where it has too many with this verdict.

    Of all tasks together, the oldest lines go when there are too many. What is no text in it becomes question marks.
    """
    if _counted(tx, line):
        return
    (lines,) = tx.execute(
        "SELECT count(*) FROM audit WHERE task_id = ? AND verdict = ?", (line.task_id, line.verdict)
    ).fetchone()
    if lines >= of_task:
        # The newest, not the oldest: else whoever did something would only have to go on to be rid of its line.
        line = replace(line, permission=MORE, subject=NOT_TOLD, by="")
        if _counted(tx, line):
            return
    written = tx.execute(
        "INSERT INTO audit (at_ms, last_ms, task_id, permission, subject, verdict, who, same) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (line.at_ms, line.at_ms, line.task_id, *_said(line), _same(line)),
    )
    (oldest,) = tx.execute("SELECT min(id) FROM audit").fetchone()
    if (written.lastrowid or 0) - oldest >= most:  # counting walks through all of it, and there may be gaps
        tx.execute(
            "DELETE FROM audit WHERE id IN"
            " (SELECT id FROM audit ORDER BY id LIMIT max(0, (SELECT count(*) FROM audit) - ?))",
            (most,),
        )


def _counted(tx: Tx, line: AuditLine) -> bool:
    """Count a line where the task has exactly this one; tells whether it has."""
    again = tx.execute(
        "UPDATE audit SET times = times + 1, last_ms = ? WHERE task_id = ? AND same = ?",
        (line.at_ms, line.task_id, _same(line)),
    )
    return again.rowcount > 0


def _said(line: AuditLine) -> tuple[str, str, str, str]:
    return _text(line.permission), _text(line.subject), line.verdict, line.by


def _same(line: AuditLine) -> bytes:
    return sha256(repr(_said(line)).encode()).digest()


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
