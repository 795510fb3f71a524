"""What one transaction does with a batch: hold its seats, apply its ops, note its number.

Called by `committer`, between BEGIN and COMMIT.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import PairId

from dispatch_relay.log import Called, CallLater, Done, Erase, Failed, Op, Reported, Then
from dispatch_relay.postgres.connecting import Connection
from dispatch_relay.postgres.deciding import Decider
from dispatch_relay.postgres.known import Changes
from dispatch_relay.postgres.loading import load
from dispatch_relay.postgres.writing import write
from dispatch_relay.verdict import Effect

SEAT_LOST = Failed("the seat of this pairing is no longer this relay's", seat_lost=True)

_SEATS = "SELECT pair_id, number FROM seat WHERE relay = $1 AND pair_id = ANY($2::bytea[]) ORDER BY pair_id FOR SHARE"
"""FOR SHARE: whoever takes the seat of a relay that is gone waits until what it has under way is committed or is not."""
_CALLS = "SELECT number, pair_id FROM call WHERE number = ANY($1::bigint[])"
_NOTE = """INSERT INTO batch (relay, number, at) VALUES ($1, $2, now())
ON CONFLICT (relay) DO UPDATE SET number = excluded.number, at = excluded.at"""
_REPORT_UNENDED = """INSERT INTO report (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms)
SELECT t.pair_id, t.task_id, t.posted_ms, true, $3, 0, a.now_ms
FROM unnest($1::bytea[], $2::bigint[]) AS a (pair_id, now_ms) JOIN task t USING (pair_id)
WHERE t.outcome = 0 ORDER BY t.at_ms RETURNING pair_id"""
_OF_A_PAIRING = ("thread_row", "pending", "task", "presence", "call", "push_target", "pairing")


@dataclass(frozen=True, slots=True)
class Entry:
    """An op in the queue. `seat`: the number of the seat that whoever wrote it went by, None where it had none."""

    op: Op
    then: Then
    seat: int | None


async def apply(
    db: Connection, entries: Sequence[Entry], *, relay: str, number: int, numbers: deque[int], thread_bytes: int
) -> list[Done | Failed]:
    """Do all that the entries ask for, and note `number`. Raises what the database raises.

    `numbers` are for calls, of the same sequence, and left for the next batch.
    """
    results: list[Done | Failed] = [SEAT_LOST] * len(entries)
    ours = await _ours(db, entries, relay=relay)
    for erases, places in groupby(ours, key=lambda place: isinstance(entries[place].op, Erase)):
        part = list(places)
        ops = [entries[place].op for place in part]
        came = await _erase(db, ops) if erases else await _decide(db, ops, numbers, thread_bytes=thread_bytes)
        for place, result in zip(part, came, strict=True):
            results[place] = result
    await db.execute(_NOTE, relay, number)
    return results


async def _decide(db: Connection, ops: Sequence[Op], numbers: deque[int], *, thread_bytes: int) -> list[Done]:
    known, changes = await load(db, ops, numbers=numbers), Changes()
    decider = Decider(known, changes)
    results = [decider.apply(op) for op in ops]
    await write(db, known, changes, thread_bytes=thread_bytes)
    return results


async def _erase(db: Connection, ops: Sequence[Op]) -> list[Done]:
    """Forget pairings, but for what is to be reported of tasks without an outcome: what became of them no host can say here."""
    ends: dict[PairId, int] = {}
    for op in ops:
        assert isinstance(op, Erase)  # noqa: S101 -- for mypy: the caller has sorted them
        ends.setdefault(op.pair_id, op.now_ms)
    keys = list(ends)
    found = await db.fetch(_REPORT_UNENDED, keys, list(ends.values()), Reason.REASON_NOT_PAIRED)
    unended = {PairId(pair_id) for (pair_id,) in found}
    for table in _OF_A_PAIRING:
        await db.execute(f"DELETE FROM {table} WHERE pair_id = ANY($1::bytea[])", keys)  # noqa: S608 -- one of seven names
    results = []
    for op in ops:
        assert isinstance(op, Erase)  # noqa: S101 -- as above
        results.append(Done(Effect.NOTHING, to_report=op.pair_id in unended))
        unended.discard(op.pair_id)  # erased twice, it is reported once
    return results


async def _ours(db: Connection, entries: Sequence[Entry], *, relay: str) -> list[int]:
    """Give the places of the entries that may be written, and hold their seats until the transaction ends."""
    numbers = {entry.op.number for entry in entries if isinstance(entry.op, Called | CallLater)}
    called = {one["number"]: one["pair_id"] for one in await db.fetch(_CALLS, sorted(numbers))} if numbers else {}
    needed = {pairing_of(entry.op) or b"" for entry in entries} | set(called.values())
    found = await db.fetch(_SEATS, relay, sorted(needed - {b""}))
    held = {one["pair_id"]: one["number"] for one in found}

    def may(entry: Entry) -> bool:
        match entry.op:
            case Reported():
                return True
            case Called(number=number) | CallLater(number=number):
                # A call that nobody knows any more is nobody's: there is nothing to write.
                return number not in called or called[number] in held
        return entry.seat is not None and held.get(pairing_of(entry.op) or b"") == entry.seat

    return [place for place, entry in enumerate(entries) if may(entry)]


def pairing_of(op: Op) -> PairId | None:
    """Say which pairing an op names."""
    pair_id: PairId | None = getattr(op, "pair_id", None)
    return pair_id
