"""Pairings that are over are erased a few at a time, and one that is stuck holds up none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dispatch.ids import PairId
from dispatch_relay.erasing import Erasing
from dispatch_relay.presence import End

from tests.support.waiting import DEADLINE_SECONDS, until


def pairings(count: int, *, start: int = 0) -> dict[PairId, End | None]:
    return {PairId(number.to_bytes(16, "big")): End.HOST for number in range(start, start + count)}


class Slow:
    """Erases at once, but for what is stuck; remembers what it was asked."""

    def __init__(self, stuck: set[PairId]) -> None:
        self.stuck = stuck
        self.free = asyncio.Event()
        self.erased: list[PairId] = []
        self.tried: list[PairId] = []
        self.under_way = 0
        self.most = 0

    async def __call__(self, pair_id: PairId, *, ended_by: End | None) -> None:
        assert ended_by is End.HOST
        self.tried.append(pair_id)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            if pair_id in self.stuck:
                await self.free.wait()
        finally:
            self.under_way -= 1
        self.erased.append(pair_id)


@asynccontextmanager
async def at_work(erasing: Erasing) -> AsyncIterator[None]:
    running = asyncio.create_task(erasing.run())
    yield
    running.cancel()
    await asyncio.wait([running])


async def test_thousands_behind_more_that_are_stuck_than_there_are_places_are_erased() -> None:
    stuck, others = pairings(8), pairings(2_000, start=8)
    slow = Slow(set(stuck))
    erasing = Erasing(slow, at_once=4, patience_seconds=0.01)
    erasing.owe(stuck)
    erasing.owe(others)
    async with at_work(erasing):
        settled = asyncio.create_task(erasing.settled())
        await until(lambda: len(slow.erased) == len(others))
        assert set(slow.erased) == set(others)
        assert not settled.done()

        slow.free.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await settled

    assert set(slow.erased) == {*stuck, *others}
    assert slow.most <= 4


async def test_what_is_owed_twice_is_erased_once_and_what_comes_later_is_not_waited_for() -> None:
    slow = Slow(set(pairings(1, start=9)))
    erasing = Erasing(slow)
    async with at_work(erasing), asyncio.timeout(DEADLINE_SECONDS):
        erasing.owe(pairings(3))
        erasing.owe(pairings(3))
        settled = asyncio.create_task(erasing.settled())
        await asyncio.sleep(0)
        erasing.owe(pairings(1, start=9))

        await settled
        await Erasing(slow).settled()  # nothing is owed

    assert sorted(slow.erased) == sorted(pairings(3))
