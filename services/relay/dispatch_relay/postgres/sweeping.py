"""Forgets what is old: of the pairings whose seat is ours, and of those whose seat nobody has. Called by `committer`.

Several relays may do so at once. One turn of a sweep is one transaction, and is bounded, so that nobody waits long for its locks or
for the one who commits; what is done twice changes nothing.
"""

from __future__ import annotations

from dispatch.ids import PairId

from dispatch_relay.log import ROW_OVERHEAD_BYTES, Sweep
from dispatch_relay.postgres.connecting import Connection

_REPORTS = """WITH gone AS (DELETE FROM report WHERE number IN
(SELECT number FROM report WHERE greatest(posted_ms, ended_ms) < $1 ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING 1) SELECT count(*) FROM gone"""
_PAIRINGS = """SELECT pair_id, least(phone_acked, host_acked) AS acked FROM pairing p WHERE pair_id > $1
AND NOT EXISTS (SELECT 1 FROM seat s WHERE s.pair_id = p.pair_id AND s.relay <> $2)
ORDER BY pair_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"""
# Only from the old end: a hole in the middle could not be told from a loss.
# One pairing after the other, and no further than the limit: what is old is walked over to find where it ends.
_ROWS = f"""WITH oldest AS (SELECT a.pair_id, t.seq FROM unnest($1::bytea[], $2::bigint[]) AS a (pair_id, acked)
CROSS JOIN LATERAL (SELECT seq FROM thread_row o WHERE o.pair_id = a.pair_id AND o.seq <= least(a.acked,
(SELECT min(n.seq) - 1 FROM thread_row n WHERE n.pair_id = a.pair_id AND n.at_ms >= $3)) ORDER BY o.seq) AS t LIMIT $4),
gone AS (DELETE FROM thread_row t USING oldest o WHERE t.pair_id = o.pair_id AND t.seq = o.seq
RETURNING t.pair_id, length(t.sealed) + {ROW_OVERHEAD_BYTES} AS bytes),
less AS (UPDATE pairing p SET bytes = p.bytes - g.bytes
FROM (SELECT pair_id, sum(bytes)::bigint AS bytes FROM gone GROUP BY pair_id) AS g WHERE p.pair_id = g.pair_id)
SELECT count(*) FROM gone"""  # noqa: S608 -- a constant
# Also what never ended: no host works on a task for so long, and one that ends nothing must not fill the store.
_TASKS = """WITH gone AS (DELETE FROM task WHERE (pair_id, task_id) IN
(SELECT pair_id, task_id FROM task WHERE pair_id = ANY($1::bytea[]) AND at_ms < $2 LIMIT $3)
RETURNING 1) SELECT count(*) FROM gone"""
_CALLS = """WITH gone AS (DELETE FROM call WHERE number IN
(SELECT number FROM call WHERE pair_id = ANY($1::bytea[]) AND at_ms < $2 LIMIT $3)
RETURNING 1) SELECT count(*) FROM gone"""


async def sweep(db: Connection, op: Sweep, *, relay: str) -> PairId | None:
    """Do one turn; gives behind which pairing the next begins, None where all is done. Raises what the database raises."""
    async with db.transaction(isolation="read_committed"):
        if not op.after and await db.fetchval(_REPORTS, op.before_ms, op.rows) >= op.rows:
            return op.after
        found = await db.fetch(_PAIRINGS, op.after, relay, op.pairings)
        if not found:
            return None
        pair_ids, acked = [list(column) for column in zip(*found, strict=True)]
        gone = (
            await db.fetchval(_ROWS, pair_ids, acked, op.before_ms, op.rows),
            await db.fetchval(_TASKS, pair_ids, op.before_ms, op.rows),
            await db.fetchval(_CALLS, pair_ids, op.before_ms, op.rows),
        )
    # At the limit there may be more of these.
    return op.after if max(gone) >= op.rows else PairId(pair_ids[-1])
