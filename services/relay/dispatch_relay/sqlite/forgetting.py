"""Makes room: sweeps what is old, trims threads that are too long, and erases pairings. Called by `writer`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import PairId, TaskId

from dispatch_relay.log import ROW_OVERHEAD_BYTES, Done, Erase, Sweep
from dispatch_relay.sqlite.pending import Pending
from dispatch_relay.sqlite.reports import Reports
from dispatch_relay.sqlite.threads import Thread, Threads
from dispatch_relay.verdict import Effect


class Forgetter:
    """Deletes from the file."""

    def __init__(self, db: sqlite3.Connection, threads: Threads, pending: Pending, reports: Reports) -> None:
        self._db = db
        self._threads = threads
        self._pending = pending
        self._reports = reports

    def erase(self, op: Erase) -> Done:
        """Delete all of a pairing; of its open tasks the pairing service hears that they are over."""
        self._pending.write()  # the table is emptied
        key = self._threads.of(op.pair_id).key
        unended = self._db.execute(
            "SELECT task_id, posted_ms FROM task WHERE pairing = ? AND outcome = 0", (key,)
        ).fetchall()
        for task_id, posted_ms in unended:
            # What became of it the host can no longer say here.
            reason = Reason.REASON_NOT_PAIRED
            self._reports.add(op.pair_id, TaskId(task_id), posted_ms, reason=reason, ended_ms=op.now_ms)
        for table in ("thread_row", "pending", "task", "presence", "call", "push_target"):
            self._db.execute(f"DELETE FROM {table} WHERE pairing = ?", (key,))  # noqa: S608 -- one of six names
        self._db.execute("DELETE FROM pairing WHERE id = ?", (key,))
        self._threads.erased(op.pair_id)
        return Done(Effect.NOTHING, to_report=bool(unended))

    def sweep(self, op: Sweep) -> Done:
        """Delete what is old, of some pairings and so many rows at most; gives behind which pairing the next turn begins."""
        self._threads.write()  # what was acked in this very transaction counts
        left = op.rows if op.after else self._sweep_unpaired(op)
        last, found = op.after, []
        if left > 0:
            found = self._db.execute(
                "SELECT pair_id, min(phone_acked, host_acked) FROM pairing WHERE pair_id > ? ORDER BY pair_id LIMIT ?",
                (op.after, op.pairings),
            ).fetchall()
        for pair_id, acked in found:
            thread = self._threads.of(PairId(pair_id))
            # Only from the old end: a hole in the middle could not be told from a loss.
            first_kept = self._db.execute(
                "SELECT min(seq) FROM thread_row WHERE pairing = ? AND at_ms >= ?", (thread.key, op.before_ms)
            ).fetchone()[0]
            through = acked if first_kept is None else min(acked, first_kept - 1)
            left -= self._forget(thread, through, at_most=left)
            # Also what never ended: no host works on a task for so long, and one that ends nothing must not fill the store.
            left -= self._db.execute(
                "DELETE FROM task WHERE rowid IN (SELECT rowid FROM task WHERE pairing = ? AND at_ms < ? LIMIT ?)",
                (thread.key, op.before_ms, max(0, left)),
            ).rowcount
            if left <= 0:  # there may be more of this pairing
                return Done(Effect.NOTHING, swept_to=last)
            last = PairId(pair_id)
        over = left > 0 and len(found) < op.pairings
        return Done(Effect.NOTHING, swept_to=None if over else last)

    def _sweep_unpaired(self, op: Sweep) -> int:
        """Forget reports and calls, which are found without their pairings; gives how much more may go in this turn."""
        left = op.rows
        for table, at_ms in (("report", "max(posted_ms, ended_ms)"), ("call", "at_ms")):
            left -= self._db.execute(
                f"DELETE FROM {table} WHERE number IN (SELECT number FROM {table} WHERE {at_ms} < ? LIMIT ?)",  # noqa: S608 -- two names
                (op.before_ms, left),
            ).rowcount
        return left

    def trim(self) -> None:
        """Delete the oldest rows of threads that are too long, down to seven eighths: not a few with each new row.

        For this once: one row alone may be too much, and is kept.
        """
        for thread in self._threads.too_long:
            self._trim(thread, goal=self._threads.most_bytes * 7 // 8)
        self._threads.write()
        self._threads.too_long.clear()

    def _trim(self, thread: Thread, *, goal: int) -> None:
        size, through = thread.bytes, 0
        cursor = self._db.execute(
            "SELECT seq, length(sealed) FROM thread_row WHERE pairing = ? ORDER BY seq", (thread.key,)
        )
        with closing(cursor):
            for seq, length in cursor:
                if size <= goal or seq == thread.head_seq:
                    break
                size -= length + ROW_OVERHEAD_BYTES
                through = seq
        self._forget(thread, through)

    def _forget(self, thread: Thread, through_seq: int, *, at_most: int | None = None) -> int:
        """Forget the oldest rows, up to one; gives how many they were."""
        if at_most is not None:
            last = self._db.execute(
                "SELECT seq FROM thread_row WHERE pairing = ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET ?",
                (thread.key, through_seq, at_most - 1),
            ).fetchone()
            through_seq = through_seq if last is None else last[0]
        (size,) = self._db.execute(
            "SELECT coalesce(sum(length(sealed) + ?), 0) FROM thread_row WHERE pairing = ? AND seq <= ?",
            (ROW_OVERHEAD_BYTES, thread.key, through_seq),
        ).fetchone()
        if not size:
            return 0
        gone = self._db.execute("DELETE FROM thread_row WHERE pairing = ? AND seq <= ?", (thread.key, through_seq))
        thread.bytes -= size
        self._threads.moved(thread)
        return gone.rowcount
