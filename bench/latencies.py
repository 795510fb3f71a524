"""Many latencies in little room: buckets that are one percent wide, which processes can hand on and add up. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

_STEP = math.log(1.01)


class Latencies:
    """How long things took. What is read out of it is wrong by one percent at most."""

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        self._buckets = Counter(buckets or {})

    def add(self, seconds: float) -> None:
        """Count one. What took no microsecond counts as one."""
        self._buckets[math.ceil(math.log(max(seconds * 1e6, 1.0)) / _STEP)] += 1

    def percentile(self, percent: float) -> float | None:
        """Give the ms that so many percent stayed within; None if nothing was counted."""
        if not self.count:
            return None
        wanted, seen = self.count * percent / 100, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                break
        return math.exp(bucket * _STEP) / 1e3

    @property
    def count(self) -> int:
        """Give how many were counted."""
        return self._buckets.total()

    def told(self) -> dict[str, int]:
        """Give the buckets for JSON."""
        return {str(bucket): count for bucket, count in sorted(self._buckets.items())}

    @classmethod
    def sum(cls, told: Iterable[Mapping[str, int]]) -> Latencies:
        """Add up what several have told."""
        total: Counter[int] = Counter()
        for one in told:
            total.update({int(bucket): count for bucket, count in one.items()})
        return cls(total)
