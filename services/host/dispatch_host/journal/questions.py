"""Questions of tasks that are not over, and words for them. Functions over a step's transaction."""

from __future__ import annotations

import sqlite3

from dispatch.ids import TaskId

from dispatch_host.journal import permissions
from dispatch_host.journal.values import StoredQuestion
from dispatch_host.journal.writer import Tx


def add(tx: Tx, question: StoredQuestion) -> None:
    """Remember a question that is being asked."""
    tx.execute(
        "INSERT INTO question (question_id, task_id, content, stands_on, rule_digest, asked_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            question.question_id,
            question.task_id,
            question.content,
            permissions.written(question.stands_on),
            question.rule_digest,
            question.asked_at_ms,
        ),
    )


def find(tx: Tx, question_id: bytes) -> StoredQuestion | None:
    """Give a question, open or closed."""
    row = tx.execute("SELECT * FROM question WHERE question_id = ?", (question_id,)).fetchone()
    return None if row is None else _question(row)


def open_ones(tx: Tx) -> list[StoredQuestion]:
    """List the questions that wait for an answer, oldest first."""
    rows = tx.execute("SELECT * FROM question WHERE answered IS NULL ORDER BY asked_at_ms, question_id")
    return [_question(row) for row in rows]


def open_of(tx: Tx, task_id: TaskId) -> list[StoredQuestion]:
    """List those of one task."""
    return [question for question in open_ones(tx) if question.task_id == task_id]


def close(tx: Tx, question_id: bytes, answered: bytes) -> bool:
    """Close a question with what was said; False when it is not open."""
    return (
        tx.execute(
            "UPDATE question SET answered = ? WHERE question_id = ? AND answered IS NULL", (answered, question_id)
        ).rowcount
        > 0
    )


def forget(tx: Tx, task_id: TaskId) -> None:
    """Forget the questions of a task that is over: the thread has them."""
    tx.execute("DELETE FROM question WHERE task_id = ?", (task_id,))


def add_words(tx: Tx, task_id: TaskId, text: str) -> None:
    """Remember words for a task that runs."""
    tx.execute("INSERT INTO steer (task_id, text) VALUES (?, ?)", (task_id, text))


def take_words(tx: Tx, task_id: TaskId) -> list[str]:
    """Take what was remembered, oldest first."""
    rows = tx.execute("SELECT text FROM steer WHERE task_id = ? ORDER BY id", (task_id,)).fetchall()
    tx.execute("DELETE FROM steer WHERE task_id = ?", (task_id,))
    return [row["text"] for row in rows]


def _question(row: sqlite3.Row) -> StoredQuestion:
    return StoredQuestion(
        question_id=row["question_id"],
        task_id=TaskId(row["task_id"]),
        content=row["content"],
        stands_on=permissions.read(row["stands_on"]),
        rule_digest=row["rule_digest"],
        asked_at_ms=row["asked_at_ms"],
        answered=row["answered"],
    )
