"""How many streams each caller has open. Called by `api`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.errors import RateLimited

_RETRY_MS = 5_000


class Streams:
    """Counts open streams, and refuses one too many."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._open: Counter[bytes] = Counter()

    @contextmanager
    def one(self, caller: bytes) -> Iterator[None]:
        """Count a stream for as long as the block lasts. Raises RateLimited."""
        if self._open[caller] >= self._limit:
            raise RateLimited("too many open streams", retry_after_ms=_RETRY_MS)
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]
