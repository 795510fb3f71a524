"""What rooms ask of the database. Each function reads by one connection. Called by `postgres.log`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dispatch.ids import Instance, MessageId, PairId, TaskId
from dispatch.words import Language

from dispatch_relay.log import ROW_OVERHEAD_BYTES, Pending, Report, Row, Thread, Untold
from dispatch_relay.postgres.connecting import Connection
from dispatch_relay.postgres.loading import COLUMNS, row_of
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import OwedCall
from dispatch_relay.push.target import Quiet, Target

WATCHED = """SELECT pair_id FROM pending UNION SELECT pair_id FROM call WHERE outcome = ''
UNION SELECT pair_id FROM presence WHERE standing IN ('reachable', 'reconnecting')"""
"""The pairings that somebody must watch over."""

_HEAD = "SELECT head_seq, phone_acked, host_acked FROM pairing WHERE pair_id = $1"
_OLDEST = "SELECT min(seq) FROM thread_row WHERE pair_id = $1"
_PENDING = """SELECT message_id, task_id, sealed, arrived_ms, valid_for_ms FROM pending WHERE pair_id = $1
ORDER BY number"""
_PRESENCE = "SELECT end_kind, standing, since_ms, last_heard_ms, instance FROM presence WHERE pair_id = $1"
_OPEN_TASKS = "SELECT task_id, at_ms FROM task WHERE pair_id = $1 AND outcome = 0"
_OWED = """SELECT number, seq, hint, at_ms, task_outcome, attempts, due_ms FROM call
WHERE pair_id = $1 AND outcome = '' ORDER BY number"""
_PIECE_ROWS = 256
# A row is read when those before it leave room for it, as in SQLite: at least one.
_ROWS = f"""SELECT {COLUMNS} FROM (SELECT {COLUMNS}, sum(length(sealed) + {ROW_OVERHEAD_BYTES}) OVER (ORDER BY seq)
- length(sealed) - {ROW_OVERHEAD_BYTES} AS before FROM (SELECT {COLUMNS} FROM thread_row
WHERE pair_id = $1 AND seq > $2 ORDER BY seq LIMIT {_PIECE_ROWS}) AS piece) AS sized
WHERE before < $3 ORDER BY seq"""  # noqa: S608 -- constant names
_TARGET = """SELECT endpoint, p256dh, auth, time_zone, from_minute, to_minute, questions_ring, language
FROM pairing LEFT JOIN push_target USING (pair_id) WHERE pair_id = $1"""
_STANDINGS = "SELECT standing, count(*) FROM presence WHERE end_kind = $1 GROUP BY standing"
_COUNT = "SELECT count(*) FROM report"
_UNTOLD = """SELECT number, pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms FROM report
ORDER BY number LIMIT $1"""


async def thread(db: Connection, pair_id: PairId) -> Thread:
    """Read where a pairing stands."""
    # One snapshot for all of it.
    async with db.transaction(isolation="repeatable_read", readonly=True):
        head = await db.fetchrow(_HEAD, pair_id)
        if head is None:
            return Thread()
        oldest = await db.fetchval(_OLDEST, pair_id)
        pending = await db.fetch(_PENDING, pair_id)
        presence = await db.fetch(_PRESENCE, pair_id)
        tasks = await db.fetch(_OPEN_TASKS, pair_id)
        calls = await db.fetch(_OWED, pair_id)
    return Thread(
        head_seq=head["head_seq"],
        oldest_seq=oldest or 0,
        acked={End.PHONE: head["phone_acked"], End.HOST: head["host_acked"]},
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


async def rows(db: Connection, pair_id: PairId, after_seq: int, limit_bytes: int) -> Sequence[Row]:
    """Read rows behind `after_seq`: about `limit_bytes` of them, at least one if there is one."""
    found: list[Row] = []
    left = limit_bytes
    while True:
        piece = [row_of(record) for record in await db.fetch(_ROWS, pair_id, after_seq, max(left, 1))]
        found += piece
        left -= sum(len(row.sealed) + ROW_OVERHEAD_BYTES for row in piece)
        if len(piece) < _PIECE_ROWS or left <= 0:
            return found
        after_seq = piece[-1].seq


async def unsettled(db: Connection) -> Sequence[PairId]:
    """List the pairings that somebody must watch over."""
    return [PairId(pair_id) for (pair_id,) in await db.fetch(WATCHED)]


async def target(db: Connection, pair_id: PairId) -> Target | None:
    """Read where and when the phone of a pairing wants to be called; None for no such pairing."""
    found = await db.fetchrow(_TARGET, pair_id)
    if found is None:
        return None
    if found["endpoint"] is None:
        return Target()
    endpoint, p256dh, auth, zone, from_minute, to_minute, ring, language = found
    quiet = Quiet(zone, from_minute, to_minute, ring) if zone else None
    return Target(endpoint, p256dh, auth, quiet, Language(language) if language else None)


async def standings(db: Connection) -> Mapping[Standing, int]:
    """Count the hosts by standing, those of all relays."""
    return {Standing(standing): count for standing, count in await db.fetch(_STANDINGS, End.HOST.value)}


async def untold(db: Connection, limit: int) -> Untold:
    """Read the oldest reports, whichever relay committed them."""
    return Untold(
        reports=[
            Report(number, PairId(pair_id), TaskId(task_id), posted_ms, accepted, reason, outcome, ended_ms)
            for number, pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms in await db.fetch(
                _UNTOLD, limit
            )
        ],
        count=await db.fetchval(_COUNT),
    )
