"""Answers what rooms ask of the store, on whatever thread the connection is of. Called by `log`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from dispatch.ids import Instance, MessageId, PairId, TaskId
from dispatch.words import Language

from dispatch_relay.log import ROW_OVERHEAD_BYTES, Pending, Report, Row, Thread, Untold
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import OwedCall
from dispatch_relay.push.target import Quiet, Target
from dispatch_relay.sqlite.rows import COLUMNS, row_of


def rows(db: sqlite3.Connection, pair_id: PairId, after_seq: int, limit_bytes: int) -> list[Row]:
    """Read as `SqliteLog.rows` does."""
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


def thread(db: sqlite3.Connection, pair_id: PairId) -> Thread:
    """Read as `SqliteLog.thread` does."""
    db.execute("BEGIN")  # one snapshot for all of it
    try:
        found = db.execute(
            "SELECT id, head_seq, phone_acked, host_acked FROM pairing WHERE pair_id = ?", (pair_id,)
        ).fetchone()
        if found is None:
            return Thread()
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
    return Thread(
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


def target(db: sqlite3.Connection, pair_id: PairId) -> Target | None:
    """Read as `SqliteLog.target` does."""
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


def untold(db: sqlite3.Connection, limit: int) -> Untold:
    """Read as `SqliteLog.untold` does."""
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


def unsettled(db: sqlite3.Connection) -> list[PairId]:
    """Read as `SqliteLog.unsettled` does."""
    there = (Standing.REACHABLE.value, Standing.RECONNECTING.value)
    found = db.execute(
        "SELECT pair_id FROM pairing WHERE id IN (SELECT pairing FROM pending)"
        " OR id IN (SELECT pairing FROM call WHERE outcome = '')"
        " OR id IN (SELECT pairing FROM presence WHERE standing IN (?, ?))",
        there,
    )
    return [PairId(pair_id) for (pair_id,) in found]


def standings(db: sqlite3.Connection) -> dict[Standing, int]:
    """Read as `SqliteLog.standings` does."""
    found = db.execute(
        "SELECT standing, count(*) FROM presence WHERE end_kind = ? GROUP BY standing", (End.HOST.value,)
    )
    return {Standing(standing): count for standing, count in found}
