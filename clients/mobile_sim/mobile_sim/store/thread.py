"""The book of the thread: events as they were checked, those that came early, and the chains that open what comes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from dispatch.ids import EventId, PairId
from dispatch.sealed.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event in its checked place; without content when the host no longer had it."""

    number: int
    event_id: EventId
    hash: bytes
    content: bytes | None
    shown: bool
    """Whether it is the first of its id: a host that was set back tells some again."""


class ThreadBook:
    """Reads and writes the thread, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def chains(self, pair_id: PairId) -> list[Chain]:
        """List the chains, oldest first."""
        rows = self._connection.execute("SELECT chain FROM chains WHERE pair_id = ? ORDER BY place", (pair_id,))
        return [Chain.from_bytes(chain) for (chain,) in rows]

    def set_chains(self, pair_id: PairId, chains: Iterable[Chain]) -> None:
        """Keep exactly these, oldest first."""
        self._connection.execute("DELETE FROM chains WHERE pair_id = ?", (pair_id,))
        self._connection.executemany(
            "INSERT INTO chains (pair_id, place, chain) VALUES (?, ?, ?)",
            [(pair_id, place, chain.to_bytes()) for place, chain in enumerate(chains)],
        )

    def events(self, pair_id: PairId, *, after: int = 0) -> list[StoredEvent]:
        """List the checked events behind a number, in order."""
        rows = self._connection.execute(
            "SELECT number, event_id, hash, content, shown FROM events"
            " WHERE pair_id = ? AND number > ? ORDER BY number",
            (pair_id, after),
        )
        return [
            StoredEvent(number=row[0], event_id=EventId(row[1]), hash=row[2], content=row[3], shown=bool(row[4]))
            for row in rows
        ]

    def last_number(self, pair_id: PairId) -> int:
        """Give the number of the newest checked event, 0 for none."""
        (number,) = self._connection.execute(
            "SELECT coalesce(max(number), 0) FROM events WHERE pair_id = ?", (pair_id,)
        ).fetchone()
        return int(number)

    def knows(self, pair_id: PairId, event_id: EventId) -> bool:
        """Tell whether an event of this id has its place already."""
        row = self._connection.execute(
            "SELECT 1 FROM events WHERE pair_id = ? AND event_id = ? LIMIT 1", (pair_id, event_id)
        ).fetchone()
        return row is not None

    def add_event(self, pair_id: PairId, event: StoredEvent) -> None:
        """Keep the next checked event."""
        self._connection.execute(
            "INSERT INTO events (pair_id, number, event_id, hash, content, shown) VALUES (?, ?, ?, ?, ?, ?)",
            (pair_id, event.number, event.event_id, event.hash, event.content, event.shown),
        )

    def keep_signature(self, pair_id: PairId, number: int, digest: bytes, signature: bytes) -> None:
        """Keep the host's signature on a place; the newest on a place stays."""
        self._connection.execute(
            "INSERT OR REPLACE INTO signatures (pair_id, number, hash, signature) VALUES (?, ?, ?, ?)",
            (pair_id, number, digest, signature),
        )

    def drop_other_signature(self, pair_id: PairId, number: int, digest: bytes) -> None:
        """Drop a signature on this number that is on another event: one from before the host was set back, that came early."""
        self._connection.execute(
            "DELETE FROM signatures WHERE pair_id = ? AND number = ? AND hash <> ?", (pair_id, number, digest)
        )

    def drop_signatures(self, pair_id: PairId, first: int, last: int) -> None:
        """Drop those on events that came to be lost."""
        self._connection.execute(
            "DELETE FROM signatures WHERE pair_id = ? AND number BETWEEN ? AND ?", (pair_id, first, last)
        )

    def hash_at(self, pair_id: PairId, number: int) -> bytes | None:
        """Give the hash of a checked event."""
        row = self._connection.execute(
            "SELECT hash FROM events WHERE pair_id = ? AND number = ?", (pair_id, number)
        ).fetchone()
        return None if row is None else row[0]

    def early(self, pair_id: PairId) -> dict[int, bytes]:
        """Give the events that wait for one before them, by number."""
        rows = self._connection.execute("SELECT number, content FROM early_events WHERE pair_id = ?", (pair_id,))
        return dict(rows.fetchall())

    def set_early(self, pair_id: PairId, events: dict[int, bytes]) -> None:
        """Keep exactly these."""
        self._connection.execute("DELETE FROM early_events WHERE pair_id = ?", (pair_id,))
        self._connection.executemany(
            "INSERT INTO early_events (pair_id, number, content) VALUES (?, ?, ?)",
            [(pair_id, number, content) for number, content in events.items()],
        )
