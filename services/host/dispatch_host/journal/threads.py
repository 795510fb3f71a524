"""Pairings, their threads and the chain of events. Functions over a step's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.ids import PairId
from dispatch.sealed.head import ZERO_HASH, Head
from dispatch.sealed.history import event_hash

from dispatch_host.journal import stray_keys
from dispatch_host.journal.values import Pairing, StoredEvent
from dispatch_host.journal.writer import Tx

NUMBER_LIMIT = 1 << 62
"""More events than a thread ever has, and than the store counts."""
LEAP_LIMIT = 1 << 32
"""How far beyond the host's a phone's head may be: what a host that was set back may have lost. Relative, so that no thread is
ever where its own next head is refused."""


@dataclass(frozen=True, slots=True)
class Joined:
    """How a pairing found its thread."""

    thread: int
    again: bool  # the same two devices were paired before, and the thread goes on
    replaced: Sequence[PairId]


def join(tx: Tx, pairing: Pairing) -> Joined | None:
    """Give a new pairing its thread: a new one, or that of the same phone. None when the journal knows the pairing."""
    pair_id = pairing.pair_id
    if tx.execute("SELECT 1 FROM pairing WHERE pair_id = ?", (pair_id,)).fetchone():
        return None
    found = tx.execute("SELECT id FROM thread WHERE phone_key = ?", (pairing.phone_key,)).fetchone()
    if found is None:
        made = tx.execute(
            "INSERT INTO thread (phone_key, hash, seen_hash) VALUES (?, ?, ?)",
            (pairing.phone_key, ZERO_HASH, ZERO_HASH),
        )
        thread = made.lastrowid
    else:
        thread = found["id"]
        # The phone may be a fresh one under its old key: what it has, its first session says.
        tx.execute("UPDATE thread SET seen_number = 0, seen_hash = ? WHERE id = ?", (ZERO_HASH, thread))
    assert thread is not None  # noqa: S101 -- an INSERT has a row id
    replaced = [PairId(row["pair_id"]) for row in tx.execute("SELECT pair_id FROM pairing WHERE thread = ?", (thread,))]
    for old in replaced:
        leave(tx, old)
    tx.execute(
        "INSERT INTO pairing (pair_id, thread, phone_name, attestation, phone_signature, host_signature)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            pair_id,
            thread,
            pairing.phone_name,
            pairing.attestation,
            pairing.phone_signature,
            pairing.host_signature,
        ),
    )
    stray_keys.remove(tx, pair_id)
    return Joined(thread=thread, again=found is not None, replaced=replaced)


def leave(tx: Tx, pair_id: PairId) -> None:
    """Forget a pairing, its chain, its outbox, its undecided commands, and what its phone allowed always.

    Its thread stays, for when the phone comes back. Its keys are the caller's to delete.
    """
    tx.execute("DELETE FROM always_rule WHERE who = ?", (phone_name(tx, pair_id),))
    for table in ("outbox", "keep_chain", "command", "pairing"):
        tx.execute(f"DELETE FROM {table} WHERE pair_id = ?", (pair_id,))  # noqa: S608 -- names from the line above
    stray_keys.add(tx, pair_id)


def pairings(tx: Tx) -> list[Pairing]:
    """List the pairings, by the phone's name."""
    rows = tx.execute("SELECT * FROM pairing JOIN thread ON thread.id = pairing.thread ORDER BY phone_name, pair_id")
    return [
        Pairing(
            pair_id=PairId(row["pair_id"]),
            thread=row["thread"],
            phone_key=row["phone_key"],
            phone_name=row["phone_name"],
            attestation=row["attestation"],
            phone_signature=row["phone_signature"],
            host_signature=row["host_signature"],
        )
        for row in rows
    ]


def any_thread(tx: Tx) -> bool:
    """Tell whether a phone was ever paired."""
    return tx.execute("SELECT 1 FROM thread LIMIT 1").fetchone() is not None


def thread_of(tx: Tx, pair_id: PairId) -> int:
    """Give a pairing's thread. Raises LookupError when the pairing is over."""
    found = tx.execute("SELECT thread FROM pairing WHERE pair_id = ?", (pair_id,)).fetchone()
    if found is None:
        raise LookupError("no such pairing")
    return int(found["thread"])


def phone_name(tx: Tx, pair_id: PairId) -> str:
    """Give the phone's name; empty when the pairing is over."""
    found = tx.execute("SELECT phone_name FROM pairing WHERE pair_id = ?", (pair_id,)).fetchone()
    return "" if found is None else str(found["phone_name"])


def pairing_of(tx: Tx, thread: int) -> PairId | None:
    """Give the thread's pairing; None when it has none at present."""
    found = tx.execute("SELECT pair_id FROM pairing WHERE thread = ?", (thread,)).fetchone()
    return None if found is None else PairId(found["pair_id"])


def cursor(tx: Tx, pair_id: PairId) -> int:
    """Give the last of the relay's rows that was dealt with."""
    found = tx.execute("SELECT cursor FROM pairing WHERE pair_id = ?", (pair_id,)).fetchone()
    return 0 if found is None else int(found["cursor"])


def advance(tx: Tx, pair_id: PairId, seq: int) -> None:
    """Remember that rows up to `seq` were dealt with."""
    tx.execute("UPDATE pairing SET cursor = max(cursor, ?) WHERE pair_id = ?", (seq, pair_id))


def rewind(tx: Tx, pair_id: PairId, seq: int) -> None:
    """Begin again behind `seq`: the relay's log was lost, or no longer has what followed the cursor."""
    tx.execute("UPDATE pairing SET cursor = ? WHERE pair_id = ?", (seq, pair_id))


def head(tx: Tx, thread: int) -> Head:
    """Give the newest event's place."""
    row = tx.execute("SELECT number, hash FROM thread WHERE id = ?", (thread,)).fetchone()
    return Head(number=row["number"], hash=row["hash"])


def last_before(tx: Tx, thread: int, number: int) -> Head | None:
    """Give the last place in the chain up to a number; None for none."""
    row = tx.execute(
        "SELECT number, hash FROM event WHERE thread = ? AND number <= ? ORDER BY number DESC LIMIT 1", (thread, number)
    ).fetchone()
    return None if row is None else Head(number=row["number"], hash=row["hash"])


def append(tx: Tx, thread: int, *, number: int, previous_hash: bytes, task_id: bytes, content: bytes) -> StoredEvent:
    """Put an event at the head."""
    hashed = event_hash(previous_hash, content)
    tx.execute(
        "INSERT INTO event (thread, number, previous_hash, hash, task_id, content) VALUES (?, ?, ?, ?, ?, ?)",
        (thread, number, previous_hash, hashed, task_id, content),
    )
    tx.execute("UPDATE thread SET number = ?, hash = ? WHERE id = ?", (number, hashed, thread))
    return StoredEvent(number=number, hash=hashed, task_id=task_id, content=content)


def has(tx: Tx, thread: int, place: Head) -> bool:
    """Tell whether a place is in the chain."""
    if place.number == 0:
        return place.hash == ZERO_HASH
    if place.number > NUMBER_LIMIT:
        return False
    row = tx.execute("SELECT hash FROM event WHERE thread = ? AND number = ?", (thread, place.number)).fetchone()
    return row is not None and row["hash"] == place.hash


def hash_at(tx: Tx, thread: int, number: int) -> bytes | None:
    """Give the hash of an event, also of one that the chain only names in the event behind it; None when unknown."""
    row = tx.execute("SELECT hash FROM event WHERE thread = ? AND number = ?", (thread, number)).fetchone()
    if row is None:
        row = tx.execute(
            "SELECT previous_hash AS hash FROM event WHERE thread = ? AND number = ?", (thread, number + 1)
        ).fetchone()
    return None if row is None else bytes(row["hash"])


def between(tx: Tx, thread: int, first: int, last: int, *, limit: int) -> list[StoredEvent]:
    """Give the events of a range that the chain has, in order."""
    rows = tx.execute(
        "SELECT number, hash, task_id, content FROM event WHERE thread = ? AND number BETWEEN ? AND ?"
        " ORDER BY number LIMIT ?",
        (thread, first, last, limit),
    )
    return [_event(row) for row in rows]


def told(tx: Tx, thread: int, *, after_id: int, limit: int) -> list[tuple[int, bytes]]:
    """Give what was written in a thread, in the order of writing, replaced parts included, with ids to go on behind."""
    rows = tx.execute(
        "SELECT id, content FROM event WHERE thread = ? AND id > ? ORDER BY id LIMIT ?", (thread, after_id, limit)
    )
    return [(row["id"], row["content"]) for row in rows]


def seen(tx: Tx, thread: int, place: Head) -> None:
    """Remember up to where the phone has the thread; ignored when the chain has no such place, or was seen further."""
    if has(tx, thread, place):
        tx.execute(
            "UPDATE thread SET seen_number = ?, seen_hash = ? WHERE id = ? AND seen_number < ?",
            (place.number, place.hash, thread, place.number),
        )


def set_back(tx: Tx, thread: int, phone: Head) -> list[bytes]:
    """Go on behind the phone's place, which this journal does not have; gives the events that the phone never saw.

    They are taken out, for the caller appends `Restored` and them anew; what else stood behind that number leaves the chain
    and keeps its place in `told`. So however often a thread is set back, it does not grow by that.
    """
    row = tx.execute("SELECT seen_number FROM thread WHERE id = ?", (thread,)).fetchone()
    unseen = tx.execute(
        "SELECT id, content FROM event WHERE thread = ? AND number > ? ORDER BY number", (thread, row["seen_number"])
    ).fetchall()
    tx.execute("DELETE FROM event WHERE thread = ? AND number > ?", (thread, row["seen_number"]))
    tx.execute(
        "UPDATE event SET number = NULL WHERE thread = ? AND number > ?",
        (thread, min(row["seen_number"], phone.number)),
    )
    tx.execute(
        "UPDATE thread SET number = ?, hash = ?, seen_number = ?, seen_hash = ? WHERE id = ?",
        (phone.number, phone.hash, phone.number, phone.hash, thread),
    )
    return [bytes(event["content"]) for event in unseen]


def _event(row: sqlite3.Row) -> StoredEvent:
    return StoredEvent(number=row["number"], hash=row["hash"], task_id=row["task_id"], content=row["content"])
