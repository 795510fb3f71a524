"""Wakes everybody who waits for something to have changed. What changed they look up for themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator


class Bell:
    """Rung by whoever changes something, heard by all who wait at that moment."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._others: set[Bell] = set()

    @contextlib.contextmanager
    def also_ringing(self, other: Bell) -> Iterator[None]:
        """Have another bell rung with this one, for as long as the context lasts: who waits for several misses none."""
        self._others.add(other)
        try:
            yield
        finally:
            self._others.discard(other)

    def ring(self) -> None:
        """Wake all who wait."""
        self._event.set()
        self._event = asyncio.Event()
        for other in list(self._others):
            other.ring()

    def next_ring(self) -> asyncio.Event:
        """Give the next ring, for `heard`: who takes it before they look misses none that comes while they look."""
        return self._event

    async def heard(self, seconds: float | None = None, *, ring: asyncio.Event | None = None) -> None:
        """Wait for the next ring, or for one that was taken before, at most so long (None: for ever)."""
        ring = self._event if ring is None else ring
        # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the ring.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ring.wait()

    async def until(self, holds: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until the condition holds, at most so long; tells whether it does."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while not holds():
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                return False
            await self.heard(left)
        return True
