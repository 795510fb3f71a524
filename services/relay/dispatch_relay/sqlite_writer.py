"""What the committer does with a batch: applies its ops to the database, all of them in one transaction or none.

Whatever a batch decides it decides here, by the tables of `verdict` and by unique indexes. Called by `sqlite_committer`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.ids import MessageId, PairId, TaskId

from dispatch_relay import verdict
from dispatch_relay.log import (
    ROW_OVERHEAD_BYTES,
    Acked,
    Called,
    CallLater,
    Decide,
    Done,
    DropTarget,
    Erase,
    Failed,
    Keep,
    Note,
    Op,
    Reported,
    Row,
    RowKind,
    SetTarget,
    Stood,
    Sweep,
)
from dispatch_relay.presence import End
from dispatch_relay.push import OwedCall
from dispatch_relay.verdict import Effect, Status

BUSY_SECONDS = 2.0
"""How long somebody else who writes to the file is waited for."""

COLUMNS = "seq, kind, message_id, task_id, at_ms, sealed, reason, retry_after_ms, push_hint, outcome"
_STATUS = {RowKind.ACCEPTED: Status.ACCEPTED, RowKind.REFUSED: Status.REFUSED}


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    db.execute("PRAGMA page_size = 8192")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 8000")
    db.execute("PRAGMA secure_delete = ON")  # what is refused or erased is gone, ciphertext or not
    return db


def row_of(values: Sequence[Any]) -> Row:
    seq, kind, message_id, task_id, at_ms, sealed, reason, retry_after_ms, push_hint, outcome = values
    return Row(
        seq=seq, kind=RowKind(kind), message_id=MessageId(message_id), task_id=TaskId(task_id), at_ms=at_ms,
        sealed=sealed, reason=reason, retry_after_ms=retry_after_ms, push_hint=push_hint, outcome=outcome,
    )  # fmt: skip


MOST_KNOWN = 10_000
"""Pairings of which the writer remembers where they stand: who talks now has talked just before."""


class _Thread:
    """Where a pairing stands, as the writer holds it: nobody else writes to the database."""

    __slots__ = ("acked", "bytes", "head_seq", "key")

    def __init__(self, key: int, head_seq: int = 0, size: int = 0, phone_acked: int = 0, host_acked: int = 0) -> None:
        self.key = key
        self.head_seq = head_seq
        self.bytes = size
        self.acked = {End.PHONE: phone_acked, End.HOST: host_acked}


def _failed(ops: Sequence[object], failure: Exception) -> Sequence[Failed]:
    return [Failed(f"{type(failure).__name__}: {failure}")] * len(ops)


class Writer:
    """Applies ops to the database. One thread at a time may call it."""

    def __init__(self, db: sqlite3.Connection, *, thread_bytes: int, busy_seconds: float = BUSY_SECONDS) -> None:
        self._db = db
        self._busy_ms = round(busy_seconds * 1000)
        self._waits_ms = -1  # as the connection was told last
        self._thread_bytes = thread_bytes
        self._known: dict[PairId, _Thread] = {}
        # Of the transaction under way.
        self._changed: set[_Thread] = set()
        self._too_long: set[_Thread] = set()
        # Commands that came in it; written at its end if they still wait: most have their verdict by then.
        self._pend: dict[tuple[int, MessageId], Decide] = {}
        self._apply: dict[type[Op], Callable[[Any], Done]] = {
            Decide: self._decide,
            Keep: self._keep,
            Note: self._note,
            Acked: self._acked,
            Stood: self._stood,
            Called: self._called,
            CallLater: self._call_later,
            SetTarget: self._set_target,
            DropTarget: self._drop_target,
            Erase: self._erase,
            Sweep: self._sweep,
            Reported: self._reported,
        }

    def commit(self, ops: Sequence[Op]) -> Sequence[Done | Failed]:
        """Apply all or nothing, and wait: for somebody else who writes to the file, and for the disk."""
        try:
            self._begin(self._busy_ms)
        except Exception as failure:
            return _failed(ops, failure)
        return self.end(self._applied(ops))

    def apply(self, ops: Sequence[Op]) -> Sequence[Done | Failed] | None:
        """Apply all or nothing in a transaction that `end` commits. Waits for nobody: None when it can't begin at once."""
        try:
            self._begin(0)
        except Exception:
            return None  # whoever waits hears whether it goes then, and else why not
        return self._applied(ops)

    def end(self, results: Sequence[Done | Failed]) -> Sequence[Done | Failed]:
        """Commit what was applied, and wait for the disk."""
        if any(isinstance(one, Failed) for one in results):
            return results  # then nothing was applied
        try:
            for thread in self._too_long:
                self._trim(thread)
            self._write_heads()
            self._too_long.clear()
            self._db.execute("COMMIT")
        except Exception as failure:
            # Whatever it is, the thread that commits must live on, and nobody may take the ops for stored.
            self._roll_back()
            return _failed(results, failure)
        return results

    def close(self) -> None:
        self._db.close()

    def _begin(self, busy_ms: int) -> None:
        if busy_ms != self._waits_ms:
            self._db.execute(f"PRAGMA busy_timeout = {busy_ms}")
            self._waits_ms = busy_ms
        self._db.execute("BEGIN IMMEDIATE")

    def _applied(self, ops: Sequence[Op]) -> Sequence[Done | Failed]:
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        try:
            results = [self._apply[type(op)](op) for op in ops]
            self._write_pend()
            self._write_heads()
        except Exception as failure:
            # Whatever it is, whoever writes must live on, and nobody may take the ops for stored.
            self._roll_back()
            return _failed(ops, failure)
        return results

    def _roll_back(self) -> None:
        self._known.clear()
        self._changed.clear()
        self._too_long.clear()
        self._pend.clear()
        if self._db.in_transaction:
            with contextlib.suppress(
                sqlite3.Error
            ):  # then no other transaction begins, and each batch fails with its reason
                self._db.execute("ROLLBACK")

    def _thread(self, pair_id: PairId) -> _Thread:
        thread = self._thread_if_any(pair_id)
        if thread is None:
            made = self._db.execute("INSERT INTO pairing (pair_id) VALUES (?)", (pair_id,)).lastrowid
            thread = self._known[pair_id] = _Thread(made or 0)
        return thread

    def _thread_if_any(self, pair_id: PairId) -> _Thread | None:
        thread = self._known.get(pair_id)
        if thread is None:
            found = self._db.execute(
                "SELECT id, head_seq, bytes, phone_acked, host_acked FROM pairing WHERE pair_id = ?", (pair_id,)
            ).fetchone()
            if found is not None:
                thread = self._known[pair_id] = _Thread(*found)
        return thread

    def _write_pend(self) -> None:
        for (key, message_id), op in self._pend.items():
            self._db.execute(
                "INSERT INTO pending (pairing, message_id, task_id, sealed, arrived_ms, valid_for_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key, message_id, op.task_id, op.sealed, op.now_ms, op.valid_for_ms),
            )
        self._pend.clear()

    def _write_heads(self) -> None:
        for thread in self._changed:
            if thread.bytes > self._thread_bytes:
                self._too_long.add(thread)
            self._db.execute(
                "UPDATE pairing SET head_seq = ?, bytes = ?, phone_acked = ?, host_acked = ? WHERE id = ?",
                (thread.head_seq, thread.bytes, thread.acked[End.PHONE], thread.acked[End.HOST], thread.key),
            )
        self._changed.clear()

    def _append(self, thread: _Thread, row: Row) -> bool:
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
            self._changed.add(thread)
        return bool(added)

    def _find(self, thread: _Thread, author: End, message_id: MessageId) -> Row | None:
        found = self._db.execute(
            f"SELECT {COLUMNS} FROM thread_row WHERE pairing = ? AND author = ? AND message_id = ?",  # noqa: S608 -- constant names
            (thread.key, author.value, message_id),
        ).fetchone()
        return None if found is None else row_of(found)

    def _decide(self, op: Decide) -> Done:
        thread = self._thread(op.pair_id)
        pending = self._pending(thread, op.message_id)
        old = None if pending is not None else self._find(thread, End.PHONE, op.message_id)
        known = Status.UNKNOWN if old is None else _STATUS[old.kind]
        status = known if pending is None else Status.PENDING
        step = verdict.STEPS[status, op.event]
        task_id = op.task_id if pending is None else pending[0]
        if step.effect is Effect.PEND:
            self._pend[thread.key, op.message_id] = op
        if step.effect not in {Effect.ACCEPT, Effect.REFUSE}:
            return Done(step.effect, step.status, old)
        if pending is not None and self._pend.pop((thread.key, op.message_id), None) is None:
            self._db.execute("DELETE FROM pending WHERE pairing = ? AND message_id = ?", (thread.key, op.message_id))
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
            self._report(op.pair_id, task_id, posted_ms, reason=row.reason, accepted=accepted)
        return Done(step.effect, step.status, row, task_open=task_open, to_report=not task_open)

    def _pending(self, thread: _Thread, message_id: MessageId) -> tuple[TaskId, int] | None:
        """Find a command that waits: its task, and when it came."""
        op = self._pend.get((thread.key, message_id))
        if op is not None:
            return op.task_id, op.now_ms
        found = self._db.execute(
            "SELECT task_id, arrived_ms FROM pending WHERE pairing = ? AND message_id = ?", (thread.key, message_id)
        ).fetchone()
        return None if found is None else (TaskId(found[0]), found[1])

    def _go(self, thread: _Thread, row: Row, posted_ms: int, *, accepted: bool) -> bool:
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

    def _keep(self, op: Keep) -> Done:
        thread = self._thread(op.pair_id)
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
        owed = self._owe_call(thread, hint, seq=row.seq, now_ms=op.now_ms, outcome=op.outcome)
        return Done(
            Effect.ACCEPT,
            Status.ACCEPTED,
            row,
            task_begun=begun,
            task_ended=ended,
            to_report=begun or ended,
            owed_call=owed,
        )

    def _go_elsewhere(self, thread: _Thread, op: Keep) -> bool:
        """Note that a task got its go by the direct path; False when the task is known here, open or over."""
        posted_ms = op.now_ms - op.since_posted_ms
        fresh = self._db.execute(
            "INSERT INTO task (pairing, task_id, outcome, posted_ms, at_ms) VALUES (?, ?, 0, ?, ?) ON CONFLICT DO NOTHING",
            (thread.key, op.task_id, posted_ms, op.now_ms),
        ).rowcount
        if fresh:
            self._report(op.pair_id, op.task_id, posted_ms, reason=Reason.REASON_UNSPECIFIED)
        return bool(fresh)

    def _owe_call(
        self,
        thread: _Thread,
        hint: PushHint.ValueType,
        *,
        seq: int,
        now_ms: int,
        outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED,
    ) -> OwedCall | None:
        """Remember, in the transaction of what it is for, that the person is to be called."""
        if hint == PushHint.PUSH_HINT_UNSPECIFIED:
            return None
        number = self._db.execute(
            "INSERT INTO call (pairing, seq, hint, task_outcome, at_ms) VALUES (?, ?, ?, ?, ?)",
            (thread.key, seq, hint, outcome, now_ms),
        ).lastrowid
        return OwedCall(number or 0, seq, hint, at_ms=now_ms, outcome=outcome)

    def _called(self, op: Called) -> Done:
        self._db.execute("UPDATE call SET outcome = ? WHERE number = ?", (op.outcome.value, op.number))
        return Done(Effect.NOTHING)

    def _call_later(self, op: CallLater) -> Done:
        self._db.execute(
            "UPDATE call SET attempts = ?, due_ms = ? WHERE number = ? AND outcome = ''",
            (op.attempts, op.due_ms, op.number),
        )
        return Done(Effect.NOTHING)

    def _set_target(self, op: SetTarget) -> Done:
        key, target = self._thread(op.pair_id).key, op.target
        self._db.execute("DELETE FROM push_target WHERE pairing = ?", (key,))
        if target:
            quiet = target.quiet
            hours = ("", 0, 0) if quiet is None else (quiet.time_zone, quiet.from_minute, quiet.to_minute)
            self._db.execute(
                "INSERT INTO push_target (pairing, endpoint, p256dh, auth, time_zone, from_minute, to_minute,"
                " questions_ring, language) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key, target.endpoint, target.p256dh, target.auth, *hours),
                    *(bool(quiet and quiet.questions_ring), target.language or ""),
                ),
            )
        return Done(Effect.NOTHING)

    def _drop_target(self, op: DropTarget) -> Done:
        # Of a pairing that is over by now nothing is made again.
        where = "WHERE pairing = (SELECT id FROM pairing WHERE pair_id = ?) AND endpoint = ?"
        values = (op.pair_id, op.endpoint)
        self._db.execute(f"DELETE FROM push_target {where} AND time_zone = '' AND language = ''", values)  # noqa: S608 -- constant
        self._db.execute(f"UPDATE push_target SET endpoint = '', p256dh = x'', auth = x'' {where}", values)  # noqa: S608 -- constant
        return Done(Effect.NOTHING)

    def _end(self, thread: _Thread, op: Keep) -> bool:
        """Note a task's outcome; False when it has one."""
        ended = self._db.execute(
            "INSERT INTO task (pairing, task_id, outcome, posted_ms, at_ms) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (pairing, task_id) DO UPDATE SET outcome = excluded.outcome, at_ms = excluded.at_ms"
            " WHERE outcome = 0 RETURNING posted_ms",
            (thread.key, op.task_id, op.outcome, op.now_ms - op.since_posted_ms, op.now_ms),
        ).fetchone()
        if ended is not None:
            self._report(op.pair_id, op.task_id, ended[0], reason=op.reason, outcome=op.outcome, ended_ms=op.now_ms)
        return ended is not None

    def _report(
        self,
        pair_id: PairId,
        task_id: TaskId,
        posted_ms: int,
        *,
        reason: Reason.ValueType,
        accepted: bool = True,
        outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED,
        ended_ms: int = 0,
    ) -> None:
        """Remember, in this very transaction, that the pairing service is to be told."""
        self._db.execute(
            "INSERT INTO report (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms),
        )

    def _note(self, op: Note) -> Done:
        self._write_pend()  # the table is asked
        # Whatever else is known of the task has been reported, or will be, and says more.
        known = self._db.execute(
            "SELECT 1 FROM pairing p WHERE p.pair_id = :pair AND ("
            " EXISTS (SELECT 1 FROM task WHERE pairing = p.id AND task_id = :task)"
            " OR EXISTS (SELECT 1 FROM pending WHERE pairing = p.id AND task_id = :task)"
            " OR EXISTS (SELECT 1 FROM thread_row WHERE pairing = p.id AND task_id = :task))",
            {"pair": op.pair_id, "task": op.task_id},
        ).fetchone()
        if known is None:
            self._report(op.pair_id, op.task_id, op.posted_ms, reason=op.reason, accepted=False)
        return Done(Effect.NOTHING, to_report=known is None)

    def _acked(self, op: Acked) -> Done:
        thread = self._thread_if_any(op.pair_id)  # of a pairing that is over by now nothing is made again
        if thread is not None and op.through_seq > thread.acked[op.end]:
            thread.acked[op.end] = op.through_seq
            self._changed.add(thread)
        return Done(Effect.NOTHING)

    def _stood(self, op: Stood) -> Done:
        presence, thread = op.presence, self._thread(op.pair_id)
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
        owed = self._owe_call(thread, op.hint, seq=0, now_ms=presence.since_ms)
        return Done(Effect.NOTHING, owed_call=owed)

    def _erase(self, op: Erase) -> Done:
        self._write_pend()  # the table is emptied
        thread = self._thread(op.pair_id)
        key = thread.key
        unended = self._db.execute(
            "SELECT task_id, posted_ms FROM task WHERE pairing = ? AND outcome = 0", (key,)
        ).fetchall()
        for task_id, posted_ms in unended:
            # What became of it the host can no longer say here.
            reason = Reason.REASON_NOT_PAIRED
            self._report(op.pair_id, TaskId(task_id), posted_ms, reason=reason, ended_ms=op.now_ms)
        for table in ("thread_row", "pending", "task", "presence", "call", "push_target"):
            self._db.execute(f"DELETE FROM {table} WHERE pairing = ?", (key,))  # noqa: S608 -- one of six names
        self._db.execute("DELETE FROM pairing WHERE id = ?", (key,))
        del self._known[op.pair_id]
        self._changed.discard(thread)
        self._too_long.discard(thread)
        return Done(Effect.NOTHING, to_report=bool(unended))

    def _reported(self, op: Reported) -> Done:
        self._db.executemany("DELETE FROM report WHERE number = ?", [(number,) for number in op.numbers])
        return Done(Effect.NOTHING)

    def _sweep(self, op: Sweep) -> Done:
        self._write_heads()  # what was acked in this very transaction counts
        left = op.rows if op.after else self._sweep_unpaired(op)
        last, found = op.after, []
        if left > 0:
            found = self._db.execute(
                "SELECT pair_id, min(phone_acked, host_acked) FROM pairing WHERE pair_id > ? ORDER BY pair_id LIMIT ?",
                (op.after, op.pairings),
            ).fetchall()
        for pair_id, acked in found:
            thread = self._thread(PairId(pair_id))
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

    def _trim(self, thread: _Thread) -> None:
        """Forget the oldest rows, down to seven eighths of what a thread may hold: not a few with each new row."""
        goal = self._thread_bytes * 7 // 8
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

    def _forget(self, thread: _Thread, through_seq: int, *, at_most: int | None = None) -> int:
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
        self._changed.add(thread)
        return gone.rowcount
