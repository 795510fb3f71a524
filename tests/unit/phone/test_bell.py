"""The bell is heard by who waits, and by who took the next ring before they looked."""

from __future__ import annotations

import asyncio

from mobile_sim.bell import Bell

from tests.support.waiting import DEADLINE_SECONDS, turns


async def test_a_ring_that_comes_while_one_looks_is_heard_by_who_took_it_before() -> None:
    bell = Bell()
    ring = bell.next_ring()
    bell.ring()

    async with asyncio.timeout(DEADLINE_SECONDS):
        await bell.heard(ring=ring)


async def test_a_ring_of_before_is_heard_by_nobody_else() -> None:
    bell = Bell()
    bell.ring()
    waiting = asyncio.create_task(bell.heard())
    await turns()
    assert not waiting.done()

    bell.ring()

    async with asyncio.timeout(DEADLINE_SECONDS):
        await waiting
