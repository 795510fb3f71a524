"""How long this process stood still, so that a busy computer is told from a product that is late.

What the laboratory itself could not do in time it can't blame on anybody. Called by `laboratory`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType

EVERY_SECONDS = 0.05


class Pulse:
    """Beats while its context lasts; each beat that comes late is a time in which nothing here went on."""

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []  # when it was over, how long it was
        self._beat_at = time.monotonic()
        self._beating: asyncio.Task[None]

    async def __aenter__(self) -> Pulse:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._beating

    def longest(self, *, since: float) -> float:
        """Give the seconds of the longest time without a beat since a time of the steady clock, until now."""
        now = time.monotonic()
        return max(
            [now - self._beat_at - EVERY_SECONDS, *(long for at, long in self._stalls if at >= since)], default=0
        )

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)  # what is measured is by how much this is late
            at = time.monotonic()
            if (late := at - self._beat_at - EVERY_SECONDS) > EVERY_SECONDS:
                self._stalls.append((at, late))
            self._beat_at = at
