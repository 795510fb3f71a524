"""The bell with a store that can not be read for a moment, without a place to try, and with a pairing that is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import PUSH_HINT_NEWS, PUSH_HINT_QUESTION
from dispatch.clock import SystemClock
from dispatch.ids import PairId
from dispatch_relay.log import CallLater, DropTarget
from dispatch_relay.metrics import Metrics
from dispatch_relay.push import OwedCall, PushOutcome
from dispatch_relay.push.answers import Answer, Result
from dispatch_relay.push.bell import Bell
from dispatch_relay.push.schedule import Pace
from dispatch_relay.push.target import Quiet, Target
from dispatch_relay.push.words import Message
from prometheus_client import CollectorRegistry

from tests.support.waiting import until

PAIR = PairId(b"p" * 16)
HERE = Target(endpoint="https://push.example/a")
AT_NIGHT = Target(endpoint="https://push.example/a", quiet=Quiet("UTC", 1, 0))  # all but a minute of the day
AT_ONCE = Pace(group_ms=0, news_gap_ms=0, question_gap_ms=0, retry_ms=1)


class Store:
    """Knows one target, and fails at the reads that the test names."""

    def __init__(self, target: Target | None, *, fails: set[int] | None = None) -> None:
        self.target_said = target
        self.fails = fails or set()
        self.reads = 0
        self.written: list[object] = []
        self.first_read = asyncio.Event()
        self.first_read.set()

    async def target(self, _pair_id: PairId) -> Target | None:
        self.reads += 1
        if self.reads == 1:
            await self.first_read.wait()
        if self.reads in self.fails:
            raise errors.StoreFailed
        return self.target_said

    def submit(self, what: object, _heard: object) -> None:
        self.written.append(what)


class Way:
    """A transport that takes everything, from everybody, and has room for it when the test says so."""

    name = "services"

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.told: list[str] = []
        self.waits = 0
        self.answer = Answer(Result.SENT)
        self.while_trying: Callable[[], None] = lambda: None
        self.room = asyncio.Event()
        self.room.set()

    def leads_to(self, _pair_id: PairId, _target: Target) -> bool:
        return True

    @asynccontextmanager
    async def place(self, _target: Target) -> AsyncIterator[None]:
        self.waits += 1
        await self.room.wait()
        yield

    async def send(self, message: Message, target: Target) -> Answer:
        self.sent.append(message)
        self.told.append(target.endpoint)
        self.while_trying()
        return self.answer

    async def close(self) -> None: ...


def a_bell(store: Any, *ways: Way, group: asyncio.TaskGroup, pace: Pace = AT_ONCE) -> Bell:
    """Give a bell that rings by these ways."""

    def spawn(work: Coroutine[object, object, None]) -> None:
        group.create_task(work)

    return Bell(
        ways,
        key=b"",
        log=store,
        clock=SystemClock(),
        pace=pace,
        metrics=Metrics(CollectorRegistry()),
        spawn=spawn,
        jitter=lambda least, _most: least,
    )


@pytest.mark.parametrize("fails", [{1}, {2, 3}, {1, 2, 3}])
async def test_a_store_that_can_not_be_read_for_a_moment_costs_no_call(fails: set[int]) -> None:
    store, way = Store(HERE, fails=fails), Way()

    async with asyncio.TaskGroup() as group:
        became = await a_bell(store, way, group=group).call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS))

    assert became is PushOutcome.SENT
    assert len(way.sent) == 1


async def test_nobody_is_called_at_night_because_the_store_can_not_say_when_night_is() -> None:
    store, way = Store(AT_NIGHT, fails={1, 2, 3}), Way()

    async with asyncio.TaskGroup() as group:
        bell = a_bell(store, way, group=group)
        call = group.create_task(bell.call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS)))
        await until(lambda: store.reads >= 4)
        assert (way.sent, call.done()) == ([], False)

        store.target_said = HERE  # the person is awake after all
        bell.changed(PAIR)
        assert await call is PushOutcome.SENT


async def test_a_question_that_comes_right_behind_news_takes_them_along_however_slow_the_store_is() -> None:
    store, way = Store(HERE), Way()
    store.first_read.clear()

    async with asyncio.TaskGroup() as group:
        bell = a_bell(store, way, group=group, pace=replace(AT_ONCE, group_ms=3_600_000))
        news = group.create_task(bell.call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS)))
        question = group.create_task(bell.call(PAIR, OwedCall(2, 2, PUSH_HINT_QUESTION)))
        await until(lambda: store.reads)
        store.first_read.set()
        await until(question.done)
        bell.forget(PAIR)
        assert (await question, await news) == (PushOutcome.SENT, PushOutcome.SENT)

    assert [[call.number for call in message.calls] for message in way.sent] == [[1, 2]]


async def test_a_call_that_comes_when_its_pairing_is_over_calls_nobody() -> None:
    store, way = Store(None), Way()

    async with asyncio.TaskGroup() as group:
        became = await a_bell(store, way, group=group).call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS))

    assert became is PushOutcome.NO_TARGET
    assert way.sent == []


async def test_a_pairing_that_ends_while_there_is_no_place_to_try_is_not_called() -> None:
    store, way = Store(HERE), Way()
    way.room.clear()

    async with asyncio.TaskGroup() as group:
        call = group.create_task(a_bell(store, way, group=group).call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS)))
        await until(lambda: way.waits == 1)
        store.target_said = None
        way.room.set()
        assert await call is PushOutcome.NO_TARGET

    assert way.sent == []


async def test_who_looks_while_there_is_no_place_to_try_is_not_called() -> None:
    store, way = Store(HERE), Way()
    way.room.clear()

    async with asyncio.TaskGroup() as group:
        bell = a_bell(store, way, group=group)
        call = group.create_task(bell.call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS)))
        await until(lambda: way.waits == 1)
        bell.looked(PAIR)
        assert await call is PushOutcome.SUPPRESSED_LOOKING
        way.room.set()

    assert way.sent == []


async def test_a_phone_that_moves_while_there_is_no_place_to_try_is_called_where_it_is() -> None:
    store, way = Store(HERE), Way()
    way.room.clear()

    async with asyncio.TaskGroup() as group:
        call = group.create_task(a_bell(store, way, group=group).call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS)))
        await until(lambda: way.waits == 1)
        store.target_said = Target(endpoint="https://push.example/b")
        way.room.set()
        assert await call is PushOutcome.SENT

    assert way.told == ["https://push.example/b"]


async def test_who_looks_while_an_attempt_comes_to_nothing_has_the_next_one_no_sooner() -> None:
    store, busy, other = Store(HERE), Way(), Way()
    busy.answer = Answer(Result.BUSY)

    async with asyncio.TaskGroup() as group:
        bell = a_bell(store, busy, other, group=group, pace=replace(AT_ONCE, retry_ms=3_600_000))
        busy.while_trying = lambda: bell.looked(PAIR)
        assert await bell.call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS)) is PushOutcome.SUPPRESSED_LOOKING
        next_one = group.create_task(bell.call(PAIR, OwedCall(2, 2, PUSH_HINT_NEWS)))
        await until(lambda: [one.number for one in store.written if isinstance(one, CallLater)] == [2])
        bell.forget(PAIR)
        assert await next_one is PushOutcome.NO_TARGET

    assert (len(busy.sent), other.sent) == (1, [])


async def test_a_subscription_that_is_gone_leaves_the_call_to_the_next_way() -> None:
    store, gone, other = Store(HERE), Way(), Way()
    gone.answer = Answer(Result.GONE)

    async with asyncio.TaskGroup() as group:
        became = await a_bell(store, gone, other, group=group).call(PAIR, OwedCall(1, 1, PUSH_HINT_NEWS))

    assert became is PushOutcome.SENT
    assert (len(gone.sent), len(other.sent)) == (1, 1)
    assert store.written == [DropTarget(PAIR, HERE.endpoint)]
