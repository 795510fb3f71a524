"""Where the pairings stand, as the one who writes knows it: nobody else writes to the file, so what was read once still holds."""

from __future__ import annotations

import sqlite3

from dispatch.ids import PairId

from dispatch_relay.presence import End

MOST_KNOWN = 10_000
"""Pairings of which it is remembered where they stand: who talks now has talked just before."""


class Thread:
    """Where one pairing stands: the end of its rows, their bytes, and what each end has acked."""

    __slots__ = ("bytes", "head_seq", "host_acked", "key", "phone_acked")

    def __init__(self, key: int, head_seq: int = 0, size: int = 0, phone_acked: int = 0, host_acked: int = 0) -> None:
        """`key` is the pairing's in this file."""
        self.key = key
        self.head_seq = head_seq
        self.bytes = size
        self.phone_acked = phone_acked
        self.host_acked = host_acked

    def acked(self, end: End, through_seq: int) -> bool:
        """Note how far an end has the rows; say whether that is further than before."""
        if through_seq <= (self.phone_acked if end is End.PHONE else self.host_acked):
            return False
        if end is End.PHONE:
            self.phone_acked = through_seq
        else:
            self.host_acked = through_seq
        return True


class Threads:
    """All that are known, and which the transaction under way has moved."""

    def __init__(self, db: sqlite3.Connection, *, most_bytes: int) -> None:
        """A thread of more than `most_bytes` is too long."""
        # Fixed after __init__.
        self._db = db
        self.most_bytes = most_bytes
        # What it knows, and of that what the transaction under way touched.
        self._known: dict[PairId, Thread] = {}
        self._moved: set[Thread] = set()
        self.too_long: set[Thread] = set()  # when they were written

    def of(self, pair_id: PairId) -> Thread:
        """Give the thread of a pairing, which is made if it is not there."""
        thread = self.find(pair_id)
        if thread is None:
            made = self._db.execute("INSERT INTO pairing (pair_id) VALUES (?)", (pair_id,)).lastrowid
            thread = self._known[pair_id] = Thread(made or 0)
        return thread

    def find(self, pair_id: PairId) -> Thread | None:
        """Give the thread of a pairing, if there is one."""
        thread = self._known.get(pair_id)
        if thread is None:
            found = self._db.execute(
                "SELECT id, head_seq, bytes, phone_acked, host_acked FROM pairing WHERE pair_id = ?", (pair_id,)
            ).fetchone()
            if found is not None:
                thread = self._known[pair_id] = Thread(*found)
        return thread

    def moved(self, thread: Thread) -> None:
        """Remember to write where it stands now."""
        self._moved.add(thread)

    def write(self) -> None:
        """Write where those that moved stand now. Where very many are known, none is then: the file has it all."""
        for thread in self._moved:
            if thread.bytes > self.most_bytes:
                self.too_long.add(thread)
            self._db.execute(
                "UPDATE pairing SET head_seq = ?, bytes = ?, phone_acked = ?, host_acked = ? WHERE id = ?",
                (thread.head_seq, thread.bytes, thread.phone_acked, thread.host_acked, thread.key),
            )
        self._moved.clear()
        if len(self._known) > MOST_KNOWN:
            self._known.clear()

    def erased(self, pair_id: PairId) -> None:
        """Know no more of a pairing whose rows are gone."""
        thread = self._known.pop(pair_id)
        self._moved.discard(thread)
        self.too_long.discard(thread)

    def rolled_back(self) -> None:
        """Know nothing: of what was remembered some was not stored."""
        self._known.clear()
        self._moved.clear()
        self.too_long.clear()
