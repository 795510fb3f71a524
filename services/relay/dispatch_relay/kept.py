"""Where a relay keeps what must not be forgotten, and whether other relays have it in common with it. docs/scale.md.

One relay alone: a file, every seat, and no bus. Several: one database, in which seats are taken, and a bus between them. Opened by
`app`; what only several relays need is imported where they are several.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from dispatch_relay.channels.bus import Bus
from dispatch_relay.log import Log
from dispatch_relay.seats import Seats


@dataclass(frozen=True, slots=True, kw_only=True)
class BusRun:
    """A bus, and what keeps it going: a coroutine that ends when it is cancelled."""

    bus: Bus
    run: Callable[[], Coroutine[object, object, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The log of a relay, and its seats."""

    log: Log
    seats: Seats
    queued: Callable[[], float]
    """How many writes wait."""
    there: Callable[[], bool]
    """Whether the store can be reached, as far as is known without asking it."""
    shared: BusRun | None = None
    """The way to the other relays; None: there are none."""

    async def close(self) -> None:
        """Commit and tell what was submitted, then leave the seats. Safe to repeat."""
        await self.log.close()
        await self.seats.close()
