"""The two ways to make load: a closed loop, which has so much under way, and an open one, which begins things when they are due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random

from bench.costs.figure import Counted
from bench.costs.measurements import Measurement
from bench.subjects.pair import NUMBER_BYTES, Pair


async def run(pairs: Sequence[Pair], measurement: Measurement, *, seconds: float, rng: Random) -> Counted:
    """Make the load of a measurement for so many seconds, and let what is under way come back. Raises subject.Lost."""
    rest = rng.randbytes(measurement.size - NUMBER_BYTES)
    if measurement.rate:
        return await _open(pairs, rest, rate=measurement.rate, seconds=seconds, rng=rng)
    return await _closed(pairs, rest, in_flight=measurement.in_flight, seconds=seconds)


async def _closed(pairs: Sequence[Pair], rest: bytes, *, in_flight: int, seconds: float) -> Counted:
    took: list[float] = []
    begun = time.perf_counter()
    until = begun + seconds

    async def go_on(pair: Pair) -> None:
        before = time.perf_counter()
        while True:  # one at least, however long this process stood still
            await pair.round_trip(rest)
            now = time.perf_counter()
            took.append(now - before)
            if now >= until:
                return
            before = now

    async with asyncio.TaskGroup() as group:
        for pair in pairs:
            for _ in range(in_flight):
                group.create_task(go_on(pair))
    # To the last one that came back, which was begun within the time: the server worked for all of it.
    return Counted(took=took, seconds=time.perf_counter() - begun)


async def _open(pairs: Sequence[Pair], rest: bytes, *, rate: float, seconds: float, rng: Random) -> Counted:
    took: list[float] = []
    begun = due = time.perf_counter()

    async def go(pair: Pair, due: float) -> None:
        await pair.round_trip(rest)
        took.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        while (due := due + rng.expovariate(rate * len(pairs))) < begun + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(go(rng.choice(pairs), due))
        await asyncio.sleep(max(0.0, begun + seconds - time.perf_counter()))
    return Counted(took=took, seconds=time.perf_counter() - begun)
