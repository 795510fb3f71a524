"""Commands that wait for their verdict. Most have it in the transaction in which they came, and are never written here."""

from __future__ import annotations

import sqlite3

from dispatch.ids import MessageId, TaskId

from dispatch_relay.log import Decide
from dispatch_relay.sqlite.threads import Thread


class Pending:
    """The table, with what the transaction under way is going to write to it. `write` goes before whoever asks the table itself."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._unwritten: dict[tuple[int, MessageId], Decide] = {}

    def add(self, thread: Thread, op: Decide) -> None:
        """Have a command wait from now on."""
        self._unwritten[thread.key, op.message_id] = op

    def find(self, thread: Thread, message_id: MessageId) -> tuple[TaskId, int] | None:
        """Find a command that waits: its task, and when it came."""
        op = self._unwritten.get((thread.key, message_id))
        if op is not None:
            return op.task_id, op.now_ms
        found = self._db.execute(
            "SELECT task_id, arrived_ms FROM pending WHERE pairing = ? AND message_id = ?", (thread.key, message_id)
        ).fetchone()
        return None if found is None else (TaskId(found[0]), found[1])

    def remove(self, thread: Thread, message_id: MessageId) -> None:
        """Have a command wait no more."""
        if self._unwritten.pop((thread.key, message_id), None) is None:
            self._db.execute("DELETE FROM pending WHERE pairing = ? AND message_id = ?", (thread.key, message_id))

    def write(self) -> None:
        """Write those that still wait."""
        for (key, message_id), op in self._unwritten.items():
            self._db.execute(
                "INSERT INTO pending (pairing, message_id, task_id, sealed, arrived_ms, valid_for_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key, message_id, op.task_id, op.sealed, op.now_ms, op.valid_for_ms),
            )
        self._unwritten.clear()

    def rolled_back(self) -> None:
        """Forget what was not written."""
        self._unwritten.clear()
