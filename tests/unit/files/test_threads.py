"""What blocks is waited for in a thread: the loop goes on meanwhile, and who is cancelled leaves nothing open behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from dispatch.files.threads import Abandoned, Stopped, held

from tests.support.waiting import DEADLINE_SECONDS, until


class Thing:
    """Something that is open until its closing is let through."""

    def __init__(self, *, let_go: bool = True) -> None:
        self.closing = threading.Event()
        self.let_go = threading.Event()
        self.closed = False
        if let_go:
            self.let_go.set()

    def close(self) -> None:
        self.closing.set()
        assert self.let_go.wait(DEADLINE_SECONDS)
        self.closed = True


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(1)
    yield pool
    pool.shutdown()


async def test_a_closing_that_takes_its_time_leaves_the_loop_to_others_and_is_waited_for(
    pool: ThreadPoolExecutor,
) -> None:
    thing = Thing(let_go=False)

    async def hold() -> None:
        async with held(lambda _: thing, pool):
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    holding.cancel()
    holding.cancel()
    await until(thing.closing.is_set)  # and this loop still turns
    holding.cancel()
    assert not holding.done()
    thing.let_go.set()

    with pytest.raises(asyncio.CancelledError):
        await holding
    assert thing.closed


async def test_an_opening_that_nobody_waits_for_is_told_to_stop(pool: ThreadPoolExecutor) -> None:
    began, stopped = threading.Event(), threading.Event()

    def hashing(stop: Stopped) -> Thing:
        began.set()
        while not stop():
            pass
        stopped.set()
        raise Abandoned

    async def hold() -> None:
        async with held(hashing, pool):
            raise AssertionError("it was never open")

    holding = asyncio.create_task(hold())
    await until(began.is_set)
    holding.cancel()

    with pytest.raises(asyncio.CancelledError):
        await holding
    assert stopped.is_set()


async def test_what_was_opened_too_late_is_closed_again(pool: ThreadPoolExecutor) -> None:
    began, go_on, thing = threading.Event(), threading.Event(), Thing()

    def slowly(_: Stopped) -> Thing:
        began.set()
        assert go_on.wait(DEADLINE_SECONDS)
        return thing

    async def hold() -> None:
        async with held(slowly, pool):
            raise AssertionError("it was cancelled")

    holding = asyncio.create_task(hold())
    await until(began.is_set)
    holding.cancel()
    await asyncio.sleep(0)
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await holding
    assert thing.closed


async def test_an_opening_whose_turn_never_came_is_not_waited_for(pool: ThreadPoolExecutor) -> None:
    go_on = threading.Event()
    busy = pool.submit(go_on.wait, DEADLINE_SECONDS)

    async def hold() -> None:
        async with held(lambda _: Thing(), pool):
            raise AssertionError("it was cancelled")

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    holding.cancel()

    with pytest.raises(asyncio.CancelledError):
        await holding
    assert not busy.done()
    go_on.set()
