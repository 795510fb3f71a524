"""What a message costs in short and in long threads: a relay for each, which take turns. Called by `bench.growth.__main__`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import grpc
from dispatch.channel import dial
from dispatch.clock import SystemClock

from bench.ends import HostEnd, PhoneEnd
from bench.growth.figures import ThreadFigure
from bench.growth.long_thread import MOST_BYTES, fill
from bench.growth.plan import GrowthPlan
from bench.pairs import LoadFailed
from bench.relays import RelayProcess, running
from bench.tally import Tally
from tests.support.device_end import Identity
from tests.support.trust_service import TrustService, new_id

_LIFTED = {
    "DISPATCH_RELAY_THREAD_BYTES": str(MOST_BYTES),
    "DISPATCH_RELAY_POSTS_PER_SECOND": "1000000",
}
"""A thread of a million rows is longer than a relay keeps by itself; and no device posts as fast as this one."""
OVER_WITHIN_SECONDS = 60.0


class ThreadPair:
    """A pair whose thread is at a relay, and which posts one command after the other."""

    def __init__(
        self, relay: RelayProcess, trust: TrustService, pair_id: bytes, *, rows: int, plan: GrowthPlan
    ) -> None:
        self._relay, self._plan = relay, plan
        self._rng = Random(plan.seed)
        self._ends_at = 0.0
        self._posting: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._channels: list[grpc.aio.Channel] = [dial(relay.address, alone=True) for _ in range(2)]
        made: dict[str, Any] = {"sealed_bytes": plan.sealed_bytes, "rng": self._rng}
        host, phone = (Identity(role, pair_id, trust) for role in ("host", "phone"))
        self._host = HostEnd(host, self._channels[0], relay.address, Tally(), **made)
        self._phone = PhoneEnd(phone, self._channels[1], relay.address, Tally(), **made, over=self._next)
        for end in (self._host, self._phone):
            end.row(rows)  # both have the thread, and do not ask for it

    async def attach(self) -> None:
        """Attach both ends."""
        await self._host.attach()
        await self._phone.attach()

    async def turn(self, rows: int, number: int, *, seconds: float, store_bytes: int) -> ThreadFigure:
        """Post for so long, and wait for what is under way. Raises LoadFailed when something is not answered."""
        tally = self._host.tally = self._phone.tally = Tally()
        before = self._relay.used()
        self._over.clear()
        self._ends_at = time.perf_counter() + seconds
        for _ in range(self._plan.thread_in_flight):
            self._post()
        try:
            async with asyncio.timeout(seconds + OVER_WITHIN_SECONDS):
                await self._over.wait()
        except TimeoutError:
            raise LoadFailed(f"a thread of {rows} rows: a command was not answered") from None
        spent = self._relay.used().cpu_seconds - before.cpu_seconds
        p50, messages = tally.keeps.percentile(50), tally.receipts.count + tally.kept
        if p50 is None or tally.refused:
            raise LoadFailed(f"a thread of {rows} rows: refused {dict(tally.refused)}")
        return ThreadFigure(
            rows=rows,
            round=number,
            messages=messages,
            cpu_us_per_message=spent * 1e6 / messages,
            p50_ms=p50,
            store_bytes=store_bytes,
        )

    async def leave(self) -> None:
        """Break both streams."""
        await asyncio.gather(*(end.leave() for end in (self._host, self._phone)))
        await asyncio.gather(*(channel.close() for channel in self._channels))

    def _next(self, phone: PhoneEnd) -> None:
        if time.perf_counter() < self._ends_at:
            self._post()
        elif not phone.under_way:
            self._over.set()

    def _post(self) -> None:
        task = asyncio.ensure_future(self._phone.post(time.perf_counter()))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)


async def measure(plan: GrowthPlan, folder: Path, *, say: Callable[[str], None]) -> tuple[ThreadFigure, ...]:
    """Fill the threads, then let the relays take turns. The first turn of each is not counted. Raises LoadFailed."""
    figures: list[ThreadFigure] = []
    async with contextlib.AsyncExitStack() as stack:
        trust = await stack.enter_async_context(TrustService())
        pairs: list[tuple[int, int, ThreadPair]] = []
        for rows in plan.rows:
            pair_id, data = new_id(), folder / str(rows)
            rng, now_ms = Random(plan.seed), SystemClock().wall_ms()
            # Where `running` will have its first relay's data.
            store_bytes = await asyncio.to_thread(fill, data / "relay0", pair_id, rows, now_ms=now_ms, rng=rng)
            say(f"thread: {rows} rows, {store_bytes} bytes")
            (relay,) = await stack.enter_async_context(running(1, data, trust, stores=(), settings=_LIFTED))
            pair = ThreadPair(relay, trust, pair_id, rows=rows, plan=plan)
            stack.push_async_callback(pair.leave)
            await pair.attach()
            pairs.append((rows, store_bytes, pair))
        for number in range(plan.thread_rounds + 1):
            for rows, store_bytes, pair in pairs:
                figure = await pair.turn(rows, number, seconds=plan.thread_seconds, store_bytes=store_bytes)
                if number:
                    figures.append(figure)
                    say(f"thread: {figure}")
    return tuple(figures)
