"""How many failures somebody may have, and when to come back. Pure: time is an argument.

A bucket is one number: the moment at which it is full again. Knows no account and no address. Called by attempts.py.
"""

from __future__ import annotations

from dispatch_pairing.limits import Rate


def take(full_at_ms: int, *, rate: Rate, now_ms: int) -> tuple[int, int]:
    """Take one. Gives (when it is full again, 0), or (unchanged, ms to wait) when the bucket is empty."""
    full_at_ms = max(full_at_ms, now_ms)
    wait_ms = full_at_ms - now_ms - (rate.burst - 1) * rate.refill_ms
    return (full_at_ms, wait_ms) if wait_ms > 0 else (full_at_ms + rate.refill_ms, 0)


class Buckets:
    """A bucket for each name, bounded: when there are too many, the fullest is forgotten."""

    def __init__(self, rate: Rate, *, limit: int) -> None:
        self._rate = rate
        self._limit = limit
        self._full_at: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str, *, now_ms: int) -> int:
        """Take one of this name; gives 0, or the ms to wait."""
        full_at_ms, wait_ms = take(self._full_at.get(name, 0), rate=self._rate, now_ms=now_ms)
        self._full_at[name] = full_at_ms
        if len(self._full_at) > self._limit:
            self._forget(now_ms)
        return wait_ms

    def give_back(self, name: str) -> None:
        """Undo one take: it turned out not to be a failure."""
        if name in self._full_at:
            self._full_at[name] -= self._rate.refill_ms

    def _forget(self, now_ms: int) -> None:
        self._full_at = {name: at for name, at in self._full_at.items() if at > now_ms}
        if len(self._full_at) > self._limit:
            # Still too many: drop a tenth, those who failed least, so that the next calls need not look again.
            spared = sorted(self._full_at.items(), key=lambda item: item[1])[len(self._full_at) // 10 + 1 :]
            self._full_at = dict(spared)
