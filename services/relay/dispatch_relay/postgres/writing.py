"""Writes what a batch changed, with arrays: what most change by one statement, the rest by one each. Called by `transaction`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dispatch.ids import PairId

from dispatch_relay.log import ROW_OVERHEAD_BYTES
from dispatch_relay.postgres.connecting import Connection
from dispatch_relay.postgres.known import Changes, Head, Known
from dispatch_relay.presence import End

_PARAMETER = re.compile(r"\$(\d+)")
_HEADS = """INSERT INTO pairing (pair_id, head_seq, bytes, phone_acked, host_acked)
SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
ON CONFLICT (pair_id) DO UPDATE SET head_seq = excluded.head_seq, bytes = excluded.bytes,
phone_acked = excluded.phone_acked, host_acked = excluded.host_acked"""
_ROWS = """INSERT INTO thread_row (pair_id, seq, author, kind, message_id, task_id, sealed, reason, retry_after_ms,
push_hint, outcome, at_ms) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::smallint[], $4::smallint[], $5::bytea[],
$6::bytea[], $7::bytea[], $8::integer[], $9::bigint[], $10::integer[], $11::integer[], $12::bigint[])"""
_UNPEND = """DELETE FROM pending USING unnest($1::bytea[], $2::bytea[]) AS a (pair_id, message_id)
WHERE pending.pair_id = a.pair_id AND pending.message_id = a.message_id"""
_PEND = """INSERT INTO pending (pair_id, message_id, task_id, sealed, arrived_ms, valid_for_ms)
SELECT pair_id, message_id, task_id, sealed, arrived_ms, valid_for_ms
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
AS a (pair_id, message_id, task_id, sealed, arrived_ms, valid_for_ms, place) ORDER BY place"""
_TASKS = """INSERT INTO task (pair_id, task_id, outcome, posted_ms, at_ms)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::integer[], $4::bigint[], $5::bigint[])
ON CONFLICT (pair_id, task_id) DO UPDATE SET outcome = excluded.outcome, at_ms = excluded.at_ms"""
_PRESENCE = """INSERT INTO presence (pair_id, end_kind, standing, since_ms, last_heard_ms, instance)
SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[])
ON CONFLICT (pair_id, end_kind) DO UPDATE SET standing = excluded.standing, since_ms = excluded.since_ms,
last_heard_ms = excluded.last_heard_ms, instance = excluded.instance"""
_CALLS = """INSERT INTO call (number, pair_id, seq, hint, task_outcome, at_ms)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::integer[], $5::integer[], $6::bigint[])"""
_LATER = """UPDATE call SET attempts = a.attempts, due_ms = a.due_ms
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS a (number, attempts, due_ms)
WHERE call.number = a.number AND call.outcome = ''"""
_CALLED = """UPDATE call SET outcome = a.outcome FROM unnest($1::bigint[], $2::text[]) AS a (number, outcome)
WHERE call.number = a.number"""
# A target that says nothing more is none: the first statement, before the second would leave an empty one.
_FORGET_DROPPED = """DELETE FROM push_target t USING unnest($1::bytea[], $2::text[]) AS a (pair_id, endpoint)
WHERE t.pair_id = a.pair_id AND t.endpoint = a.endpoint AND t.time_zone = '' AND t.language = ''"""
_DROPPED = """UPDATE push_target t SET endpoint = '', p256dh = '', auth = ''
FROM unnest($1::bytea[], $2::text[]) AS a (pair_id, endpoint) WHERE t.pair_id = a.pair_id AND t.endpoint = a.endpoint"""
_FORGET_TARGETS = "DELETE FROM push_target WHERE pair_id = ANY($1::bytea[])"
_TARGETS = """INSERT INTO push_target (pair_id, endpoint, p256dh, auth, time_zone, from_minute, to_minute, questions_ring,
language) SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::integer[],
$7::integer[], $8::boolean[], $9::text[])"""
_REPORTS = """INSERT INTO report (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms)
SELECT pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms
FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::boolean[], $5::integer[], $6::integer[], $7::bigint[])
WITH ORDINALITY AS a (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms, place) ORDER BY place"""
_REPORTED = "DELETE FROM report WHERE number = ANY($1::bigint[])"
# The oldest rows, until the rest is no more than `$3`, and never the last one.
_TRIM = f"""WITH size AS (SELECT seq, length(sealed) + {ROW_OVERHEAD_BYTES} AS bytes FROM thread_row WHERE pair_id = $1),
upto AS (SELECT seq, bytes, sum(bytes) OVER (ORDER BY seq) AS sum FROM size),
old AS (SELECT seq, bytes FROM upto WHERE $2::bigint - (sum - bytes) > $3::bigint AND seq < $4::bigint),
gone AS (DELETE FROM thread_row WHERE pair_id = $1 AND seq <= (SELECT max(seq) FROM old))
SELECT coalesce(sum(bytes), 0)::bigint FROM old"""  # noqa: S608 -- a constant


async def write(db: Connection, known: Known, changes: Changes, *, thread_bytes: int) -> None:
    """Write all of it; threads that have outgrown their limit lose their oldest rows."""
    outgrown = [pair_id for pair_id in changes.heads if known.heads[pair_id].bytes > thread_bytes]
    together = _Together()
    together.add(_ROWS, _rows(changes))
    together.add(_UNPEND, changes.unpend)
    pend = changes.pend.items()
    together.add(_PEND, ((*at, one.task_id, one.sealed, one.arrived_ms, one.valid_for_ms) for at, one in pend))
    tasks = [(at, known.tasks[at]) for at in sorted(changes.tasks)]
    together.add(_TASKS, ((*at, task.outcome, task.posted_ms, task.at_ms) for at, task in tasks))
    together.add(_PRESENCE, _presence(changes))
    calls = ((one.pair_id, one.owed) for one in changes.calls)
    together.add(
        _CALLS, ((owed.number, pair_id, owed.seq, owed.hint, owed.outcome, owed.at_ms) for pair_id, owed in calls)
    )
    together.add(_REPORTS, _reports(changes))
    if not outgrown:
        together.add(_HEADS, _heads(known, changes))
    await together.run(db)
    await _many(db, _LATER, ((number, *values) for number, values in changes.later.items()))
    await _many(db, _CALLED, changes.called.items())
    await _write_targets(db, changes)
    if changes.reported:
        await db.execute(_REPORTED, sorted(changes.reported))
    if outgrown:
        for pair_id in outgrown:
            await _trim(db, pair_id, known.heads[pair_id], goal=thread_bytes * 7 // 8)
        await _many(db, _HEADS, _heads(known, changes))


class _Together:
    """Statements on different tables, or on different rows, that go to the database as one."""

    def __init__(self) -> None:
        self._statements: list[str] = []
        self._columns: list[list[Any]] = []

    def add(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add one, with an array for each column; not at all for no rows."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        if columns:
            before = len(self._columns)
            self._statements.append(_PARAMETER.sub(lambda found: f"${int(found[1]) + before}", statement))
            self._columns += columns

    async def run(self, db: Connection) -> None:
        """Run them."""
        if self._statements:
            *others, last = self._statements
            named = ", ".join(f"w{place} AS ({statement})" for place, statement in enumerate(others))
            await db.execute(f"WITH {named} {last}" if named else last, *self._columns)


def _rows(changes: Changes) -> Iterator[tuple[Any, ...]]:
    for pair_id, row in changes.rows:
        yield (
            pair_id, row.seq, row.kind.author.value, row.kind.value, row.message_id, row.task_id, row.sealed,
            row.reason, row.retry_after_ms, row.push_hint, row.outcome, row.at_ms,
        )  # fmt: skip


def _presence(changes: Changes) -> Iterator[tuple[Any, ...]]:
    for (pair_id, end), one in changes.presence.items():
        yield pair_id, end.value, one.standing.value, one.since_ms, one.last_heard_ms, one.instance


def _reports(changes: Changes) -> Iterator[tuple[Any, ...]]:
    for one in changes.reports:
        yield one.pair_id, one.task_id, one.posted_ms, one.accepted, one.reason, one.outcome, one.ended_ms


def _heads(known: Known, changes: Changes) -> Iterator[tuple[Any, ...]]:
    for pair_id in sorted(changes.heads):
        head = known.heads[pair_id]
        yield pair_id, head.seq, head.bytes, head.acked.get(End.PHONE, 0), head.acked.get(End.HOST, 0)


async def _write_targets(db: Connection, changes: Changes) -> None:
    if changes.dropped:
        await _many(db, _FORGET_DROPPED, changes.dropped)
        await _many(db, _DROPPED, changes.dropped)
    if changes.targets:
        await db.execute(_FORGET_TARGETS, sorted(changes.targets))
    rows = []
    for pair_id, target in changes.targets.items():
        if target:
            quiet = target.quiet
            hours = ("", 0, 0) if quiet is None else (quiet.time_zone, quiet.from_minute, quiet.to_minute)
            ring = bool(quiet and quiet.questions_ring)
            rows.append((pair_id, target.endpoint, target.p256dh, target.auth, *hours, ring, target.language or ""))
    await _many(db, _TARGETS, rows)


async def _trim(db: Connection, pair_id: PairId, head: Head, *, goal: int) -> None:
    """Forget the oldest rows, down to seven eighths of what a thread may hold: not a few with each new row."""
    head.bytes -= await db.fetchval(_TRIM, pair_id, head.bytes, goal, head.seq)


async def _many(db: Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Run a statement with one array for each column; not at all for no rows."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        await db.execute(statement, *columns)
