"""The newest rows of a thread in memory, so that live delivery need not read back what was just committed.

An optimisation of the cursor and nothing else: whoever asks for rows that are no longer here reads them from the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from dispatch_relay.log import Row

ROW_BYTES = 512
"""About what a row takes beside its seal."""


class Tail:
    """Rows without gaps up to the head of the thread."""

    def __init__(self, *, head_seq: int, limit_bytes: int) -> None:
        self._rows: list[Row] = []  # an empty deque takes 700 bytes, and most threads are silent
        self._bytes = 0
        self._limit_bytes = limit_bytes
        self.head_seq = head_seq

    def add(self, row: Row) -> None:
        """Take the next committed row."""
        self._rows.append(row)
        self._bytes += _cost(row)
        self.head_seq = row.seq
        many, left = 0, self._bytes
        while left > self._limit_bytes:
            left -= _cost(self._rows[many])
            many += 1
        self._drop(many)

    def behind(self, seq: int, *, limit_bytes: int) -> Sequence[Row] | None:
        """Give the rows behind `seq`, about `limit_bytes` of them; None when the log has to be asked."""
        if seq >= self.head_seq:
            return ()
        if not self._rows or self._rows[0].seq > seq + 1:
            return None
        found: list[Row] = []
        size = 0
        for row in islice(self._rows, seq + 1 - self._rows[0].seq, None):
            found.append(row)
            size += _cost(row)
            if size >= limit_bytes:
                break
        return found

    def release(self, seq: int) -> None:
        """Forget rows up to `seq`: every open stream has them."""
        if self._rows:
            self._drop(min(max(0, seq + 1 - self._rows[0].seq), len(self._rows)))

    def _drop(self, many: int) -> None:
        """Forget the oldest."""
        if many:
            self._bytes -= sum(map(_cost, self._rows[:many]))
            del self._rows[:many]


def _cost(row: Row) -> int:
    """Reckon what a row takes here. Verdicts have no seal, and a stream that does not read would keep them for ever."""
    return ROW_BYTES + len(row.sealed)
