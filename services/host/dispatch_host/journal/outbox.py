"""Sealed rows that wait for the relay's receipt, and the keep chain that sealed them. Functions over a step's transaction."""

from __future__ import annotations

from collections.abc import Iterable

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.ids import MessageId, PairId, TaskId
from dispatch.sealed.chain import Chain

from dispatch_host.journal.values import OutboxRow
from dispatch_host.journal.writer import Tx


def chain(tx: Tx, pair_id: PairId) -> Chain | None:
    """Give the keep chain; None before the first session."""
    row = tx.execute("SELECT chain FROM keep_chain WHERE pair_id = ?", (pair_id,)).fetchone()
    return None if row is None else Chain.from_bytes(row["chain"])


def keep_chain(tx: Tx, chain: Chain) -> None:
    """Keep the chain as it is after a row, or a new one in place of the old."""
    tx.execute("INSERT OR REPLACE INTO keep_chain (pair_id, chain) VALUES (?, ?)", (chain.pair_id, chain.to_bytes()))


def add(
    tx: Tx,
    pair_id: PairId,
    *,
    message_id: MessageId,
    task_id: bytes,
    sealed: bytes,
    first: int,
    last: int,
    push_hint: PushHint.ValueType,
    outcome: Outcome.ValueType,
    reason: Reason.ValueType,
) -> None:
    """Put a row behind the others."""
    tx.execute(
        "INSERT INTO outbox (pair_id, message_id, task_id, sealed, first, last, push_hint, outcome, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (pair_id, message_id, task_id, sealed, first, last, push_hint, outcome, reason),
    )


def add_go(tx: Tx, pair_id: PairId, message_id: MessageId, task_id: TaskId) -> None:
    """Have the relay told that a task got its go by the direct path: a row that the phone need not have."""
    tx.execute(
        "INSERT INTO outbox (pair_id, message_id, task_id, sealed, first, last, push_hint, outcome, reason, kept)"
        " VALUES (?, ?, ?, x'', 0, 0, 0, 0, 0, 1)",
        (pair_id, message_id, task_id),
    )


def add_end(
    tx: Tx,
    pair_id: PairId,
    message_id: MessageId,
    task_id: TaskId,
    *,
    outcome: Outcome.ValueType,
    reason: Reason.ValueType,
) -> None:
    """Have the relay told how a task ended, by a row that the phone gets in another way."""
    tx.execute(
        "INSERT INTO outbox (pair_id, message_id, task_id, sealed, first, last, push_hint, outcome, reason, kept)"
        " VALUES (?, ?, ?, x'', 0, 0, 0, ?, ?, 1)",
        (pair_id, message_id, task_id, outcome, reason),
    )


def waiting(tx: Tx, pair_id: PairId, *, after_id: int, limit: int, kept: bool) -> list[OutboxRow]:
    """Give the next rows without a receipt, in order: those that the phone has by the direct path (`kept`), or the others."""
    rows = tx.execute(
        "SELECT outbox.*, task.accepted_at_ms FROM outbox LEFT JOIN task USING (task_id)"
        " WHERE outbox.pair_id = ? AND id > ? AND kept = ? ORDER BY id LIMIT ?",
        (pair_id, after_id, kept, limit),
    )
    return [
        OutboxRow(
            id=row["id"],
            message_id=MessageId(row["message_id"]),
            task_id=row["task_id"],
            sealed=row["sealed"],
            push_hint=row["push_hint"],
            outcome=row["outcome"],
            reason=row["reason"],
            accepted_at_ms=row["accepted_at_ms"] or 0,
        )
        for row in rows
    ]


def count(tx: Tx, pair_id: PairId, *, kept: bool) -> int:
    """Count the rows without a receipt: those that the phone has by the direct path (`kept`), or the others."""
    found = tx.execute("SELECT count(*) FROM outbox WHERE pair_id = ? AND kept = ?", (pair_id, kept))
    return int(found.fetchone()[0])


def count_all(tx: Tx) -> int:
    """Count the rows without a receipt, of all pairings."""
    return int(tx.execute("SELECT count(*) FROM outbox").fetchone()[0])


def received(tx: Tx, pair_id: PairId, message_ids: Iterable[bytes]) -> None:
    """Forget rows that the relay has: from here on it is the phone's acknowledgement that counts, and Resend."""
    tx.executemany(
        "DELETE FROM outbox WHERE pair_id = ? AND message_id = ?", [(pair_id, message_id) for message_id in message_ids]
    )


def kept(tx: Tx, pair_id: PairId, message_ids: Iterable[bytes]) -> None:
    """Note that the phone has rows by the direct path. Of one that ends a task the relay still hears how, and calls nobody."""
    for message_id in message_ids:
        which = (pair_id, message_id)
        tx.execute("DELETE FROM outbox WHERE pair_id = ? AND message_id = ? AND outcome = 0", which)
        tx.execute(
            "UPDATE outbox SET kept = 1, sealed = x'', push_hint = 0 WHERE pair_id = ? AND message_id = ?", which
        )


def clear(tx: Tx, pair_id: PairId) -> list[tuple[int, int]]:
    """Forget all rows but those that the phone has; gives the ranges of event numbers inside, in order, without overlap."""
    rows = tx.execute(
        "SELECT first, last FROM outbox WHERE pair_id = ? AND last > 0 AND kept = 0 ORDER BY first, last", (pair_id,)
    ).fetchall()
    tx.execute("DELETE FROM outbox WHERE pair_id = ? AND kept = 0", (pair_id,))
    ranges: list[tuple[int, int]] = []
    for first, last in rows:
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(last, ranges[-1][1]))
        else:
            ranges.append((first, last))
    return ranges
