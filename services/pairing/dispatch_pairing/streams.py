"""How many streams each device has open. Called by service.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.errors import RateLimited
from dispatch.ids import DeviceId

_RETRY_MS = 5_000


class Streams:
    """Counts open streams, and refuses one too many."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._open: Counter[DeviceId] = Counter()

    @contextmanager
    def one(self, device_id: DeviceId) -> Iterator[None]:
        """Count a stream for as long as the block lasts. Raises RateLimited."""
        if self._open[device_id] >= self._limit:
            raise RateLimited("too many open streams", retry_after_ms=_RETRY_MS)
        self._open[device_id] += 1
        try:
            yield
        finally:
            self._open[device_id] -= 1
            if not self._open[device_id]:
                del self._open[device_id]
