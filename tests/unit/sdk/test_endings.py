"""What was begun comes to its end, whoever is cancelled meanwhile, and whatever swallows a cancellation."""

from __future__ import annotations

import asyncio

import pytest
from dispatch.endings import UnderWay, Until, cut, to_its_end


async def test_work_is_done_to_its_end_and_the_cancellation_comes_behind_it() -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), []

    async def work() -> int:
        begun.set()
        await go_on.wait()
        done.append(1)
        return 1

    assert await to_its_end(asyncio.sleep(0, 1)) == 1
    waiting = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == [1]


async def swallows(count: int) -> None:
    """Wait for ever, and lose the first cancellations, as `asyncio.wait_for` may."""
    for _ in range(count):
        try:
            await asyncio.Future()
        except asyncio.CancelledError:
            continue
    await asyncio.Future()


async def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    task = asyncio.create_task(swallows(2))
    await asyncio.sleep(0)

    await cut(task, again_seconds=0)

    assert task.cancelled()


async def test_what_a_task_failed_with_comes_to_who_cuts_it() -> None:
    async def fail() -> None:
        raise ValueError("wrong from the start")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])

    with pytest.raises(ValueError, match="wrong from the start"):
        await cut(task, again_seconds=0)


class Work:
    """Something that takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.ended = ""

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await self.go_on.wait()
            self.ended = "well"
        except asyncio.CancelledError:
            self.ended = "cut"
            raise


async def left_behind(under_way: UnderWay) -> Work:
    """Begin something whose caller hangs up."""
    work = Work()
    calling = asyncio.create_task(under_way.carry_out(work()))
    await work.begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    return work


async def test_nobody_piles_up_work_by_hanging_up() -> None:
    under_way = UnderWay(limit=2)
    works = [await left_behind(under_way) for _ in range(4)]
    for work in works:
        work.go_on.set()

    await under_way.finish(grace_seconds=60)

    assert [work.ended for work in works] == ["well", "well", "cut", "cut"]


async def test_what_does_not_end_within_the_grace_is_cut() -> None:
    under_way = UnderWay(limit=2)
    work = await left_behind(under_way)

    await under_way.finish(grace_seconds=0)

    assert work.ended == "cut"
    await under_way.finish(grace_seconds=0)


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_until_goes_on_behind_it_when_the_future_is_done() -> None:
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)

    with Until(done):
        await wait_for_ever()

    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_until_leaves_alone_what_follows_when_the_future_was_done_from_within() -> None:
    """Its callback was called all the same, a moment later, and cut short what followed."""
    done = asyncio.get_running_loop().create_future()

    with Until(done):
        done.set_result(None)

    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_until_lets_a_cancellation_by_somebody_else_through() -> None:
    done = asyncio.get_running_loop().create_future()
    behind = []

    async def work() -> None:
        with Until(done):
            await wait_for_ever()
        behind.append(True)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    done.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not behind


async def test_until_lets_what_goes_wrong_through() -> None:
    done = asyncio.get_running_loop().create_future()

    with pytest.raises(KeyError), Until(done):
        raise KeyError

    assert not done.done()
