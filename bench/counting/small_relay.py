"""A relay in one thread, without sockets: its own services, rooms and store, and devices in the same process. Used by `counted`.

Wired as `dispatch_relay.app` does it, but for what has no part in carrying a message: listeners, the feed of trust, the reporter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path

from dispatch import proof
from dispatch_relay.admission import Gate
from dispatch_relay.kept import Kept
from dispatch_relay.metrics import Metrics
from dispatch_relay.place import Tools
from dispatch_relay.push import NoPush
from dispatch_relay.relay import Relay
from dispatch_relay.seats import OneRelay
from dispatch_relay.service import ATTACH, SERVICE
from dispatch_relay.settings import Settings
from dispatch_relay.trust import Known, Trust
from prometheus_client import CollectorRegistry

from bench.counting.devices import ADDRESS, SIGNER_KEY, End, seed
from bench.counting.inline_log import InlineLog
from bench.counting.still import StillClock

UNLIMITED = 1_000_000
"""Posts and live frames a second: a clock that stands still would never let a limited device say more."""

STORE = "relay.sqlite3"
"""In the folder of a relay."""

SETTINGS = Settings(posts_per_second=UNLIMITED, live_per_second=UNLIMITED)


@dataclass(slots=True)
class SmallRelay:
    """One that runs."""

    relay: Relay
    clock: StillClock
    _tasks: set[asyncio.Task[None]]

    async def attach(self, end: End) -> End:
        """Open a stream. Raises the reason why the relay does not let the device in."""
        attach = self.relay.streams[SERVICE.full_name, ATTACH]
        task = asyncio.get_running_loop().create_task(attach(end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        end.open()
        await end.until("opened", 1)
        return end


@contextlib.asynccontextmanager
async def running(folder: Path, clock: StillClock) -> AsyncIterator[SmallRelay]:
    """Run a relay on the store in a folder; its streams end with it."""
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    metrics = Metrics(CollectorRegistry())
    store = folder / STORE
    log = InlineLog(store, thread_bytes=SETTINGS.thread_bytes, on_commit=metrics.committed)
    known = Known(keys=proof.PinnedKeys((SIGNER_KEY,), 1), heard_ms=clock.wall_ms())
    trust = Trust(known, clock=clock, stale_ms=1_000 * SETTINGS.trust_stale_seconds)
    tools = Tools(
        log=log,
        clock=clock,
        settings=SETTINGS,
        metrics=metrics,
        push=NoPush(),
        spawn=spawn,
        report=lambda: None,
    )
    kept = Kept(log=log, seats=OneRelay("counted"), queued=lambda: 0, there=lambda: True)
    gate = Gate(trust=trust, names={ADDRESS}, clock=clock, rng=lambda count: seed("relay")[:count])
    relay = Relay(kept, tools, gate=gate, rng=lambda count: seed("hall")[:count])
    try:
        yield SmallRelay(relay, clock, tasks)
    finally:
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await kept.close()
