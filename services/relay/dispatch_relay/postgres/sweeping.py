"""Forgets what is old: of the pairings whose seat is ours, and of those whose seat nobody has. Called by `committer`.

Several relays may do so at once. A few hundred pairings are one transaction, so that nobody waits long for their locks; what is
done twice changes nothing.
"""

from __future__ import annotations

from dispatch_relay.log import ROW_OVERHEAD_BYTES
from dispatch_relay.postgres.connecting import Connection

PAIRINGS = 500
"""How many at once."""

_REPORTS = """DELETE FROM report WHERE number IN
(SELECT number FROM report WHERE greatest(posted_ms, ended_ms) < $1 ORDER BY number FOR UPDATE SKIP LOCKED)"""
_PAIRINGS = """SELECT pair_id, least(phone_acked, host_acked) AS acked FROM pairing p WHERE pair_id > $1
AND NOT EXISTS (SELECT 1 FROM seat s WHERE s.pair_id = p.pair_id AND s.relay <> $2)
ORDER BY pair_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"""
# Only from the old end: a hole in the middle could not be told from a loss.
_ROWS = f"""WITH old AS (SELECT a.pair_id, least(a.acked, (SELECT min(seq) - 1 FROM thread_row t
WHERE t.pair_id = a.pair_id AND t.at_ms >= $3)) AS through FROM unnest($1::bytea[], $2::bigint[]) AS a (pair_id, acked)),
gone AS (DELETE FROM thread_row t USING old WHERE t.pair_id = old.pair_id AND t.seq <= old.through
RETURNING t.pair_id, length(t.sealed) + {ROW_OVERHEAD_BYTES} AS bytes)
UPDATE pairing p SET bytes = p.bytes - g.bytes
FROM (SELECT pair_id, sum(bytes)::bigint AS bytes FROM gone GROUP BY pair_id) AS g WHERE p.pair_id = g.pair_id"""  # noqa: S608 -- a constant
# Also what never ended: no host works on a task for so long, and one that ends nothing must not fill the store.
_TASKS = "DELETE FROM task WHERE pair_id = ANY($1::bytea[]) AND at_ms < $2"
_CALLS = "DELETE FROM call WHERE pair_id = ANY($1::bytea[]) AND at_ms < $2"


async def sweep(db: Connection, *, before_ms: int, relay: str) -> None:
    """Do all of it, in several transactions. Raises what the database raises; then some of it is done."""
    await db.execute(_REPORTS, before_ms)
    last = b""
    while True:
        async with db.transaction(isolation="read_committed"):
            found = await db.fetch(_PAIRINGS, last, relay, PAIRINGS)
            if not found:
                return
            pair_ids, acked = [list(column) for column in zip(*found, strict=True)]
            await db.execute(_ROWS, pair_ids, acked, before_ms)
            await db.execute(_TASKS, pair_ids, before_ms)
            await db.execute(_CALLS, pair_ids, before_ms)
        last = pair_ids[-1]
