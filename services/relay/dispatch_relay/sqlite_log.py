"""The log in SQLite: whatever is queued is committed in one transaction (`sqlite_committer`), and two threads read.

Group commit is what makes durable cheap: while one commit waits for the disk, the next batch gathers by itself. Every
decision inside a transaction is a table of `verdict` or an index; what is committed is told on the event loop in order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from dispatch import errors
from dispatch.ids import Instance, MessageId, PairId, TaskId
from dispatch.words import Language

from dispatch_relay import sqlite_version
from dispatch_relay.log import ROW_OVERHEAD_BYTES, Op, Pending, Report, Row, Then, Untold
from dispatch_relay.log import Thread as ThreadState
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import OwedCall
from dispatch_relay.push.target import Quiet, Target
from dispatch_relay.sqlite_committer import Committer, OnCommit
from dispatch_relay.sqlite_writer import BUSY_SECONDS, COLUMNS, Writer, connect, row_of

T = TypeVar("T")


class SqliteLog:
    """A `Log` in one file. `open` makes one."""

    def __init__(self, path: Path, *, thread_bytes: int, busy_seconds: float, on_commit: OnCommit) -> None:
        # Fixed after __init__.
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="log-read")
        self._local = threading.local()
        self._read_connections: list[sqlite3.Connection] = []
        writer = Writer(connect(path), thread_bytes=thread_bytes, busy_seconds=busy_seconds)
        self._committer = Committer(writer, on_commit=on_commit)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        thread_bytes: int = 64 * 1024 * 1024,
        busy_seconds: float = BUSY_SECONDS,
        on_commit: OnCommit = lambda ops, seconds: None,
    ) -> SqliteLog:
        """Open or make the store, or bring an older one up to date.

        `on_commit` is told ops and seconds of each commit, on the loop. Raises errors.StoreFailed.
        """
        try:
            await asyncio.to_thread(sqlite_version.upgrade, path)
            return cls(path, thread_bytes=thread_bytes, busy_seconds=busy_seconds, on_commit=on_commit)
        except sqlite3.Error as failure:
            raise errors.StoreFailed(str(failure)) from failure

    @property
    def queued(self) -> int:
        """How many ops wait for the next commit."""
        return self._committer.queued

    def submit(self, op: Op, then: Then) -> None:
        self._committer.submit(op, then)

    async def close(self) -> None:
        await self._committer.close()
        self._readers.shutdown()
        for db in self._read_connections:
            db.close()

    # ---- the readers' threads

    async def _read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            db: sqlite3.Connection | None = getattr(self._local, "db", None)
            if db is None:
                db = self._local.db = connect(self._path)
                self._read_connections.append(db)
            return ask(db)

        try:
            return await self._loop.run_in_executor(self._readers, run)
        except sqlite3.Error as failure:
            raise errors.StoreFailed(str(failure)) from failure

    async def thread(self, pair_id: PairId) -> ThreadState:
        return await self._read(lambda db: read_thread(db, pair_id))

    async def rows(self, pair_id: PairId, *, after_seq: int, limit_bytes: int) -> Sequence[Row]:
        return await self._read(lambda db: read_rows(db, pair_id, after_seq, limit_bytes))

    async def unsettled(self) -> Sequence[PairId]:
        there = (Standing.REACHABLE.value, Standing.RECONNECTING.value)
        found = await self._read(
            lambda db: db.execute(
                "SELECT pair_id FROM pairing WHERE id IN (SELECT pairing FROM pending)"
                " OR id IN (SELECT pairing FROM call WHERE outcome = '')"
                " OR id IN (SELECT pairing FROM presence WHERE standing IN (?, ?))",
                there,
            ).fetchall()
        )
        return [PairId(pair_id) for (pair_id,) in found]

    async def target(self, pair_id: PairId) -> Target | None:
        return await self._read(lambda db: _read_target(db, pair_id))

    async def standings(self) -> Mapping[Standing, int]:
        found = await self._read(
            lambda db: db.execute(
                "SELECT standing, count(*) FROM presence WHERE end_kind = ? GROUP BY standing", (End.HOST.value,)
            ).fetchall()
        )
        return {Standing(standing): count for standing, count in found}

    async def untold(self, *, limit: int) -> Untold:
        return await self._read(lambda db: _read_untold(db, limit))


def read_rows(db: sqlite3.Connection, pair_id: PairId, after_seq: int, limit_bytes: int) -> list[Row]:
    """Read as `SqliteLog.rows` does, on whatever thread the connection is of."""
    found: list[Row] = []
    size = 0
    cursor = db.execute(
        f"SELECT {COLUMNS} FROM thread_row WHERE pairing = (SELECT id FROM pairing WHERE pair_id = ?)"  # noqa: S608 -- constant names
        " AND seq > ? ORDER BY seq",
        (pair_id, after_seq),
    )
    with closing(cursor):
        for values in cursor:
            row = row_of(values)
            found.append(row)
            size += len(row.sealed) + ROW_OVERHEAD_BYTES
            if size >= limit_bytes:
                break
    return found


def read_thread(db: sqlite3.Connection, pair_id: PairId) -> ThreadState:
    """Read as `SqliteLog.thread` does, on whatever thread the connection is of."""
    db.execute("BEGIN")  # one snapshot for all of it
    try:
        found = db.execute(
            "SELECT id, head_seq, phone_acked, host_acked FROM pairing WHERE pair_id = ?", (pair_id,)
        ).fetchone()
        if found is None:
            return ThreadState()
        key, head_seq, phone_acked, host_acked = found
        (oldest,) = db.execute("SELECT min(seq) FROM thread_row WHERE pairing = ?", (key,)).fetchone()
        pending = db.execute(
            "SELECT message_id, task_id, sealed, arrived_ms, valid_for_ms FROM pending"
            " WHERE pairing = ? ORDER BY rowid",
            (key,),
        ).fetchall()
        presence = db.execute(
            "SELECT end_kind, standing, since_ms, last_heard_ms, instance FROM presence WHERE pairing = ?", (key,)
        ).fetchall()
        tasks = db.execute("SELECT task_id, at_ms FROM task WHERE pairing = ? AND outcome = 0", (key,)).fetchall()
        calls = db.execute(
            "SELECT number, seq, hint, at_ms, task_outcome, attempts, due_ms FROM call"
            " WHERE pairing = ? AND outcome = '' ORDER BY number",
            (key,),
        ).fetchall()
    finally:
        db.execute("COMMIT")
    return ThreadState(
        head_seq=head_seq,
        oldest_seq=oldest or 0,
        acked={End.PHONE: phone_acked, End.HOST: host_acked},
        presence={
            End(end): Presence(Standing(standing), since_ms, last_heard_ms, Instance(instance))
            for end, standing, since_ms, last_heard_ms, instance in presence
        },
        pending=[
            Pending(MessageId(message_id), TaskId(task_id), sealed, arrived_ms, valid_for_ms)
            for message_id, task_id, sealed, arrived_ms, valid_for_ms in pending
        ],
        open_tasks={TaskId(task_id): at_ms for task_id, at_ms in tasks},
        owed_calls=[OwedCall(*values) for values in calls],
    )


def _read_target(db: sqlite3.Connection, pair_id: PairId) -> Target | None:
    found = db.execute(
        "SELECT endpoint, p256dh, auth, time_zone, from_minute, to_minute, questions_ring, language"
        " FROM pairing LEFT JOIN push_target ON push_target.pairing = pairing.id WHERE pair_id = ?",
        (pair_id,),
    ).fetchone()
    if found is None:
        return None
    if found[0] is None:
        return Target()
    endpoint, p256dh, auth, zone, from_minute, to_minute, ring, language = found
    quiet = Quiet(zone, from_minute, to_minute, bool(ring)) if zone else None
    return Target(endpoint, p256dh, auth, quiet, Language(language) if language else None)


def _read_untold(db: sqlite3.Connection, limit: int) -> Untold:
    (count,) = db.execute("SELECT count(*) FROM report").fetchone()
    found = db.execute(
        "SELECT number, pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms FROM report"
        " ORDER BY number LIMIT ?",
        (limit,),
    ).fetchall()
    reports = [
        Report(number, PairId(pair_id), TaskId(task_id), posted_ms, bool(accepted), reason, outcome, ended_ms)
        for number, pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms in found
    ]
    return Untold(reports=reports, count=count)
