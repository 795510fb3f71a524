"""Measures how many pairings there are, at the start and where other services make and end some, too. Called by `app`.

Where there is a database, it is also what notices that it is away, while nobody calls.
"""

from __future__ import annotations

from contextlib import suppress

from dispatch.errors import Draining, StoreFailed

from dispatch_pairing.bell import TRUST
from dispatch_pairing.ground import Ground


async def count(ground: Ground) -> None:
    """Count them. Raises StoreFailed."""
    async with ground.store.read() as kept:
        ground.metrics.pairings_active.set(await kept.pairings.count_active())


async def recounting(ground: Ground) -> None:
    """Count them again whenever one may have come or gone, until the bell is closed; tells of a database that is away by it."""
    with ground.bell.listen(TRUST) as ear, suppress(Draining):
        while True:
            ear.clear()
            try:
                await count(ground)
                ground.metrics.database_away.set(0)
            except StoreFailed:
                ground.metrics.database_away.set(1)
            await ear.wait(at_most_ms=ground.limits.look_again_ms)
