"""How many streams of each address are opening: somebody who has shown nothing yet must not cost without bound.

Called by the service around the opening. An address is not believed to be one person: many may stand behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dispatch import errors

_RETRY_MS = 1_000


class Openings:
    """Counts openings that are under way, and refuses one too many."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Count an opening for as long as the block lasts. Raises RateLimited."""
        if self._under_way[address] >= self._limit:
            raise errors.RateLimited("too many streams that have not opened yet", retry_after_ms=_RETRY_MS)
        self._under_way[address] += 1
        try:
            yield
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]
