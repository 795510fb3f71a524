"""A token bucket: so many a second on average, with a burst. Pure: time is an argument."""

from __future__ import annotations


class Bucket:
    """Lets `per_second` through on average, and up to `burst` at once. Times are ms on a steady clock."""

    __slots__ = ("_burst", "_full_ms", "_per_second", "_tokens")

    def __init__(self, *, per_second: int, burst: int, now_ms: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._full_ms = now_ms

    def take(self, *, now_ms: int) -> int:
        """Take one; gives 0, or after how many ms there is one again (and then takes nothing)."""
        earned = (now_ms - self._full_ms) * self._per_second / 1_000
        self._tokens = min(float(self._burst), self._tokens + earned)
        self._full_ms = now_ms
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return max(1, round((1 - self._tokens) * 1_000 / self._per_second))
