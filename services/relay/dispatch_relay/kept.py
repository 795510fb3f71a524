"""Where a relay keeps what must not be forgotten, and whether other relays have it in common with it. docs/scale.md.

One relay alone: a file, every seat, and no bus. Several: one database, in which seats are taken, and a bus between them. Which of
the two it is is chosen here, once, for `app`; what only several relays need is imported where they are several.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from dispatch_relay.channels.bus import Bus
from dispatch_relay.log import Log
from dispatch_relay.metrics import Metrics
from dispatch_relay.options import Options, SharedOptions
from dispatch_relay.seats import OneRelay, Seats
from dispatch_relay.settings import Settings
from dispatch_relay.sqlite.log import SqliteLog

_ID_BYTES = 8
"""Of a relay among others."""


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


async def open_kept(options: Options, settings: Settings, *, metrics: Metrics) -> Kept:
    """Open what this relay has alone, or its part of what several have. Raises errors.StoreFailed."""
    relay = os.urandom(_ID_BYTES).hex()
    if options.shared is not None:
        return await _open_shared(options.shared, relay=relay, settings=settings, metrics=metrics)
    log = await SqliteLog.open(
        options.data / "relay.sqlite3", thread_bytes=settings.thread_bytes, on_commit=metrics.committed
    )
    return Kept(log=log, seats=OneRelay(relay), queued=lambda: log.queued, there=lambda: True)


async def _open_shared(options: SharedOptions, *, relay: str, settings: Settings, metrics: Metrics) -> Kept:
    # Only here: what they import is there in installations for several relays only.
    from dispatch_relay.channels.nats_bus import NatsBus  # noqa: PLC0415
    from dispatch_relay.postgres.opening import open_store  # noqa: PLC0415

    store = await open_store(
        options.database, relay=relay, thread_bytes=settings.thread_bytes, on_commit=metrics.committed
    )
    bus = NatsBus(options.bus)
    return Kept(
        log=store.log,
        seats=store.seats,
        queued=lambda: store.log.queued,
        there=lambda: store.seats.there,
        shared=BusRun(bus=bus, run=bus.run),
    )
