"""What each op of a thread makes of what is stored, by the tables of `verdict` and by unique indexes: the same as
`postgres.deciding` decides in memory.

One conformance suite holds the two together (`tests.support.log_contract`). Called by `writer`, within a transaction.
"""

from __future__ import annotations

import sqlite3

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.ids import MessageId

from dispatch_relay import verdict
from dispatch_relay.log import ROW_OVERHEAD_BYTES, Acked, Decide, Done, Keep, Note, Row, RowKind, Stood
from dispatch_relay.presence import End
from dispatch_relay.sqlite.calls import Calls
from dispatch_relay.sqlite.pending import Pending
from dispatch_relay.sqlite.reports import Reports
from dispatch_relay.sqlite.rows import COLUMNS, row_of
from dispatch_relay.sqlite.threads import Thread, Threads
from dispatch_relay.verdict import Effect, Status

_STATUS = {RowKind.ACCEPTED: Status.ACCEPTED, RowKind.REFUSED: Status.REFUSED}


class Decider:
    """Applies ops, one after the other."""

    def __init__(
        self, db: sqlite3.Connection, threads: Threads, pending: Pending, calls: Calls, reports: Reports
    ) -> None:
        self._db = db
        self._threads = threads
        self._pending = pending
        self._calls = calls
        self._reports = reports

    def decide(self, op: Decide) -> Done:
        """Make the verdict on a command, or have it wait for one."""
        thread = self._threads.of(op.pair_id)
        pending = self._pending.find(thread, op.message_id)
        old = None if pending is not None else self._find(thread, End.PHONE, op.message_id)
        known = Status.UNKNOWN if old is None else _STATUS[old.kind]
        status = known if pending is None else Status.PENDING
        step = verdict.STEPS[status, op.event]
        task_id = op.task_id if pending is None else pending[0]
        if step.effect is Effect.PEND:
            self._pending.add(thread, op)
        if step.effect not in {Effect.ACCEPT, Effect.REFUSE}:
            return Done(step.effect, step.status, old)
        if pending is not None:
            self._pending.remove(thread, op.message_id)
        accepted = step.effect is Effect.ACCEPT
        row = Row(
            seq=thread.head_seq + 1,
            kind=RowKind.ACCEPTED if accepted else RowKind.REFUSED,
            message_id=op.message_id,
            task_id=task_id,
            at_ms=op.now_ms,
            reason=op.reason,
            retry_after_ms=op.retry_after_ms,
        )
        self._append(thread, row)
        posted_ms = op.now_ms if pending is None else pending[1]
        task_open = self._go(thread, row, posted_ms, accepted=accepted)
        if not task_open:  # else: a steer, a cancel or an answer, which is no task
            self._reports.add(op.pair_id, task_id, posted_ms, reason=row.reason, accepted=accepted)
        return Done(step.effect, step.status, row, task_open=task_open, to_report=not task_open)

    def keep(self, op: Keep) -> Done:
        """Store a row of the host, once."""
        thread = self._threads.of(op.pair_id)
        row = Row(
            seq=thread.head_seq + 1,
            kind=RowKind.KEEP,
            message_id=op.message_id,
            task_id=op.task_id,
            at_ms=op.now_ms,
            sealed=op.sealed,
            reason=op.reason,
            push_hint=op.push_hint,
            outcome=op.outcome,
        )
        if not self._append(thread, row):
            return Done(Effect.ANSWER_AGAIN, Status.ACCEPTED, self._find(thread, End.HOST, op.message_id))
        is_end = op.outcome != Outcome.OUTCOME_UNSPECIFIED
        ended = is_end and self._end(thread, op)
        begun = op.is_go and self._go_elsewhere(thread, op)
        # The end of a task calls once: its row is sealed anew, with the same hint, when a session begins before its receipt came.
        hint = PushHint.PUSH_HINT_UNSPECIFIED if is_end and not ended else op.push_hint
        owed = self._calls.owe(thread, hint, seq=row.seq, now_ms=op.now_ms, outcome=op.outcome)
        return Done(
            Effect.ACCEPT,
            Status.ACCEPTED,
            row,
            task_begun=begun,
            task_ended=ended,
            to_report=begun or ended,
            owed_call=owed,
        )

    def note(self, op: Note) -> Done:
        """Have the pairing service told of a command that was refused before it was stored, unless its task is known."""
        self._pending.write()  # the table is asked
        # Whatever else is known of the task has been reported, or will be, and says more.
        known = self._db.execute(
            "SELECT 1 FROM pairing p WHERE p.pair_id = :pair AND ("
            " EXISTS (SELECT 1 FROM task WHERE pairing = p.id AND task_id = :task)"
            " OR EXISTS (SELECT 1 FROM pending WHERE pairing = p.id AND task_id = :task)"
            " OR EXISTS (SELECT 1 FROM thread_row WHERE pairing = p.id AND task_id = :task))",
            {"pair": op.pair_id, "task": op.task_id},
        ).fetchone()
        if known is None:
            self._reports.add(op.pair_id, op.task_id, op.posted_ms, reason=op.reason, accepted=False)
        return Done(Effect.NOTHING, to_report=known is None)

    def acked(self, op: Acked) -> Done:
        """Note how far an end has the rows."""
        thread = self._threads.find(op.pair_id)  # of a pairing that is over by now nothing is made again
        if thread is not None and thread.acked(op.end, op.through_seq):
            self._threads.moved(thread)
        return Done(Effect.NOTHING)

    def stood(self, op: Stood) -> Done:
        """Note how an end stands."""
        presence, thread = op.presence, self._threads.of(op.pair_id)
        self._db.execute(
            "INSERT INTO presence (pairing, end_kind, standing, since_ms, last_heard_ms, instance)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (pairing, end_kind) DO UPDATE SET standing = excluded.standing, since_ms = excluded.since_ms,"
            " last_heard_ms = excluded.last_heard_ms, instance = excluded.instance",
            (
                thread.key, op.end.value, presence.standing.value, presence.since_ms,
                presence.last_heard_ms, presence.instance,
            ),
        )  # fmt: skip
        owed = self._calls.owe(thread, op.hint, seq=0, now_ms=presence.since_ms)
        return Done(Effect.NOTHING, owed_call=owed)

    # ---- rows

    def _append(self, thread: Thread, row: Row) -> bool:
        """Add a row behind the head; False when its author has posted the same id before."""
        added = self._db.execute(
            f"INSERT INTO thread_row (pairing, author, {COLUMNS})"  # noqa: S608 -- constant names
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                thread.key, row.kind.author.value, row.seq, row.kind.value, row.message_id, row.task_id, row.at_ms,
                row.sealed, row.reason, row.retry_after_ms, row.push_hint, row.outcome,
            ),
        ).rowcount  # fmt: skip
        if added:
            thread.head_seq = row.seq
            thread.bytes += len(row.sealed) + ROW_OVERHEAD_BYTES
            self._threads.moved(thread)
        return bool(added)

    def _find(self, thread: Thread, author: End, message_id: MessageId) -> Row | None:
        found = self._db.execute(
            f"SELECT {COLUMNS} FROM thread_row WHERE pairing = ? AND author = ? AND message_id = ?",  # noqa: S608 -- constant names
            (thread.key, author.value, message_id),
        ).fetchone()
        return None if found is None else row_of(found)

    # ---- tasks

    def _go(self, thread: Thread, row: Row, posted_ms: int, *, accepted: bool) -> bool:
        """Note that a task has its go; say whether it had one before (a steer, a cancel, an answer)."""
        if accepted:
            fresh = self._db.execute(
                "INSERT INTO task (pairing, task_id, outcome, posted_ms, at_ms) VALUES (?, ?, 0, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (thread.key, row.task_id, posted_ms, row.at_ms),
            ).rowcount
            return not fresh
        known = "SELECT 1 FROM task WHERE pairing = ? AND task_id = ?"
        return self._db.execute(known, (thread.key, row.task_id)).fetchone() is not None

    def _go_elsewhere(self, thread: Thread, op: Keep) -> bool:
        """Note that a task got its go by the direct path; False when the task is known here, open or over."""
        posted_ms = op.now_ms - op.since_posted_ms
        fresh = self._db.execute(
            "INSERT INTO task (pairing, task_id, outcome, posted_ms, at_ms) VALUES (?, ?, 0, ?, ?) ON CONFLICT DO NOTHING",
            (thread.key, op.task_id, posted_ms, op.now_ms),
        ).rowcount
        if fresh:
            self._reports.add(op.pair_id, op.task_id, posted_ms, reason=Reason.REASON_UNSPECIFIED)
        return bool(fresh)

    def _end(self, thread: Thread, op: Keep) -> bool:
        """Note a task's outcome; False when it has one."""
        ended = self._db.execute(
            "INSERT INTO task (pairing, task_id, outcome, posted_ms, at_ms) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (pairing, task_id) DO UPDATE SET outcome = excluded.outcome, at_ms = excluded.at_ms"
            " WHERE outcome = 0 RETURNING posted_ms",
            (thread.key, op.task_id, op.outcome, op.now_ms - op.since_posted_ms, op.now_ms),
        ).fetchone()
        if ended is not None:
            self._reports.add(
                op.pair_id, op.task_id, ended[0], reason=op.reason, outcome=op.outcome, ended_ms=op.now_ms
            )
        return ended is not None
