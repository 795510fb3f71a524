"""Reads what the ops of a batch are about: one question for each table, however many ops there are. Called by `transaction`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import asyncpg
from dispatch.ids import MessageId, PairId, TaskId

from dispatch_relay.log import (
    Acked,
    Decide,
    DropTarget,
    Keep,
    Note,
    Op,
    Pending,
    Row,
    RowKind,
    SetTarget,
    Stood,
)
from dispatch_relay.postgres.connecting import Connection
from dispatch_relay.postgres.known import Head, Known, KnownTask
from dispatch_relay.presence import End

COLUMNS = "seq, kind, message_id, task_id, at_ms, sealed, reason, retry_after_ms, push_hint, outcome"

_HEADS = """SELECT pair_id, head_seq, bytes, phone_acked, host_acked FROM pairing
WHERE pair_id = ANY($1::bytea[]) ORDER BY pair_id FOR NO KEY UPDATE"""
_PENDING = """SELECT w.pair_id, w.message_id, w.task_id, w.sealed, w.arrived_ms, w.valid_for_ms
FROM unnest($1::bytea[], $2::bytea[]) AS a (pair_id, message_id) JOIN pending w USING (pair_id, message_id)"""
# Not the seals of old rows, but for what is answered again: a Keep that is posted twice.
_ROWS = f"""SELECT pair_id, author, {COLUMNS}
FROM unnest($1::bytea[], $2::smallint[], $3::bytea[]) AS a (pair_id, author, message_id)
JOIN thread_row USING (pair_id, author, message_id)"""  # noqa: S608 -- constant names
_TASKS = """SELECT t.pair_id, t.task_id, t.outcome, t.posted_ms, t.at_ms
FROM unnest($1::bytea[], $2::bytea[]) AS a (pair_id, task_id) JOIN task t USING (pair_id, task_id)"""
_MENTIONED = """SELECT a.pair_id, a.task_id FROM unnest($1::bytea[], $2::bytea[]) AS a (pair_id, task_id)
WHERE EXISTS (SELECT 1 FROM pending p WHERE p.pair_id = a.pair_id AND p.task_id = a.task_id)
OR EXISTS (SELECT 1 FROM thread_row r WHERE r.pair_id = a.pair_id AND r.task_id = a.task_id)"""
_NUMBERS = "SELECT nextval('call_number') FROM generate_series(1, $1)"
_NUMBERS_AT_ONCE = 256
"""Taken ahead: one question less for most batches. Those that nobody uses are missing, which hurts nobody."""


async def load(db: Connection, ops: Sequence[Op], *, numbers: deque[int]) -> Known:
    """Read it, and hold the pairings until the transaction ends. `numbers`: for calls, left from batches before."""
    known = Known(call_numbers=numbers)
    pair_ids = {
        op.pair_id for op in ops if isinstance(op, Decide | Keep | Note | Acked | Stood | SetTarget | DropTarget)
    }
    if pair_ids:
        found = await db.fetch(_HEADS, sorted(pair_ids))
        known.heads = {
            PairId(pair_id): Head(seq, size, {End.PHONE: phone, End.HOST: host})
            for pair_id, seq, size, phone, host in found
        }
    decided = {(op.pair_id, op.message_id) for op in ops if isinstance(op, Decide)}
    if decided:
        for record in await db.fetch(_PENDING, *_columns(decided)):
            pending = Pending(
                MessageId(record["message_id"]), TaskId(record["task_id"]), record["sealed"],
                record["arrived_ms"], record["valid_for_ms"],
            )  # fmt: skip
            known.pending[PairId(record["pair_id"]), pending.message_id] = pending
    kept = {(op.pair_id, op.message_id) for op in ops if isinstance(op, Keep)}
    authored = {(pair_id, End.PHONE.value, message_id) for pair_id, message_id in decided}
    authored |= {(pair_id, End.HOST.value, message_id) for pair_id, message_id in kept}
    if authored:
        for record in await db.fetch(_ROWS, *_columns(authored)):
            row = row_of(record)
            known.rows[PairId(record["pair_id"]), End(record["author"]), row.message_id] = row
    tasks = set(_tasks(ops, known))
    if tasks:
        known.tasks = {
            (PairId(pair_id), TaskId(task_id)): KnownTask(outcome, posted_ms, at_ms)
            for pair_id, task_id, outcome, posted_ms, at_ms in await db.fetch(_TASKS, *_columns(tasks))
        }
    noted = {(op.pair_id, op.task_id) for op in ops if isinstance(op, Note)}
    if noted:
        found = await db.fetch(_MENTIONED, *_columns(noted))
        known.mentioned = {(PairId(pair_id), TaskId(task_id)) for pair_id, task_id in found}
    calls = sum(1 for op in ops if (isinstance(op, Keep) and op.push_hint) or (isinstance(op, Stood) and op.hint))
    if calls > len(numbers):
        numbers.extend(number for (number,) in await db.fetch(_NUMBERS, calls + _NUMBERS_AT_ONCE))
    return known


def _tasks(ops: Sequence[Op], known: Known) -> Iterator[tuple[PairId, TaskId]]:
    """Name the tasks that ops may be of: a command's is the one that it was posted with."""
    yield from ((pair_id, pending.task_id) for (pair_id, _), pending in known.pending.items())
    yield from ((op.pair_id, op.task_id) for op in ops if isinstance(op, Decide | Keep | Note))


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Turn rows into one array for each column."""
    return [list(column) for column in zip(*rows, strict=True)]


def row_of(record: asyncpg.Record) -> Row:
    return Row(
        seq=record["seq"], kind=RowKind(record["kind"]), message_id=MessageId(record["message_id"]),
        task_id=TaskId(record["task_id"]), at_ms=record["at_ms"], sealed=record["sealed"], reason=record["reason"],
        retry_after_ms=record["retry_after_ms"], push_hint=record["push_hint"], outcome=record["outcome"],
    )  # fmt: skip
