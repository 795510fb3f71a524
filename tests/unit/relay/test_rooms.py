"""A pairing has one room, and a seat without a room is given back, whoever fails or leaves in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from dispatch import errors
from dispatch.clock import SystemClock
from dispatch.ids import DeviceId, PairId
from dispatch_relay.log import Erase, Failed, Thread
from dispatch_relay.metrics import Metrics
from dispatch_relay.place import Tools
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import NoPush
from dispatch_relay.rooms import Rooms
from dispatch_relay.seats import Lost
from dispatch_relay.settings import Settings
from prometheus_client import CollectorRegistry

from tests.support.waiting import until

PAIRS = [PairId(bytes([number]) * 16) for number in range(1, 4)]
SOMEBODY = Thread(presence={End.HOST: Presence(Standing.REACHABLE)})
NOBODY = Thread(head_seq=5, presence={End.HOST: Presence(Standing.UNREACHABLE)})


class Threads:
    """A log that answers as the test says: by pairing with a thread, an error, or not before it is told to."""

    def __init__(self) -> None:
        self.answers: dict[PairId, list[Thread | Exception | asyncio.Future[Thread]]] = {}
        self.asked: list[PairId] = []

    async def thread(self, pair_id: PairId) -> Thread:
        self.asked.append(pair_id)
        answers = self.answers.get(pair_id)
        answer = answers.pop(0) if answers else SOMEBODY
        if isinstance(answer, Exception):
            raise answer
        return await answer if isinstance(answer, asyncio.Future) else answer

    def submit(self, op: object, then: object) -> None: ...


class FullDisk(Threads):
    """A log that can be read, and takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.erasing = 0  # that were tried

    def submit(self, op: object, then: Any) -> None:
        self.erasing += isinstance(op, Erase)
        asyncio.get_running_loop().call_soon(then, Failed("the disk is full"))


class SeatsHere:
    """Seats that are all to be had, written down."""

    relay = "here"

    def __init__(self) -> None:
        self.adopted: list[Sequence[PairId]] = []
        self.given_back: list[PairId] = []
        self.forgotten: list[PairId] = []

    def on_lost(self, lost: Lost) -> None: ...

    async def take(self, pair_id: PairId) -> str | None:
        return None

    def forget(self, pair_id: PairId) -> None:
        self.forgotten.append(pair_id)

    def give_back(self, pair_id: PairId) -> None:
        self.given_back.append(pair_id)

    async def adopt(self, limit: int) -> Sequence[PairId]:
        return self.adopted.pop(0) if self.adopted else ()

    async def close(self) -> None: ...


class World:
    def __init__(self, log: Threads | None = None) -> None:
        self.log, self.seats = log or Threads(), SeatsHere()
        of_test: Any = self.log
        tools = Tools(
            log=of_test,
            clock=SystemClock(),
            settings=Settings(),
            metrics=Metrics(CollectorRegistry()),
            push=NoPush(),
            spawn=lambda work: work.close(),
            report=lambda: None,
        )
        self.rooms = Rooms(tools, self.seats, shared=True)


@pytest.fixture
def world() -> World:
    return World()


async def test_who_comes_after_a_load_that_failed_does_not_load_beside_who_waited(world: World) -> None:
    first, second = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    world.log.answers[PAIRS[0]] = [first, second]
    failing = asyncio.create_task(world.rooms.enter(PAIRS[0]))
    waiting = asyncio.create_task(world.rooms.enter(PAIRS[0]))
    await until(lambda: len(world.log.asked) == 1)
    first.set_exception(errors.StoreFailed("away"))
    await until(lambda: len(world.log.asked) == 2)

    late = asyncio.create_task(world.rooms.enter(PAIRS[0]))
    await asyncio.wait([failing])
    second.set_result(SOMEBODY)

    assert await waiting is await late
    assert isinstance(failing.exception(), errors.StoreFailed)
    assert len(world.log.asked) == 2


async def test_one_adopted_pairing_that_can_not_be_read_leaves_the_others_their_rooms(world: World) -> None:
    world.seats.adopted = [PAIRS]
    world.log.answers[PAIRS[0]] = [errors.StoreFailed("away")]
    adopting = asyncio.create_task(world.rooms.adopt())

    await until(lambda: len(world.log.asked) == len(PAIRS))
    await asyncio.sleep(0)

    assert world.rooms.host(PAIRS[1]) is not None
    assert world.rooms.host(PAIRS[2]) is not None
    assert world.seats.given_back == [PAIRS[0]]
    adopting.cancel()


async def test_an_adoption_that_is_cut_short_gives_back_what_has_no_room(world: World) -> None:
    world.seats.adopted = [PAIRS]
    world.log.answers[PAIRS[1]] = [asyncio.get_running_loop().create_future()]
    adopting = asyncio.create_task(world.rooms.adopt())
    await until(lambda: PAIRS[1] in world.log.asked)

    adopting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await adopting

    assert set(world.seats.given_back) == {PAIRS[1], PAIRS[2]}


async def test_a_device_that_goes_while_its_room_is_read_leaves_no_seat_without_a_room(world: World) -> None:
    world.log.answers[PAIRS[0]] = [asyncio.get_running_loop().create_future()]
    entering = asyncio.create_task(world.rooms.enter(PAIRS[0]))
    await until(lambda: world.log.asked == [PAIRS[0]])

    entering.cancel()
    await asyncio.wait([entering])

    assert world.seats.given_back == [PAIRS[0]]


async def test_a_relay_that_drains_adopts_nothing(world: World) -> None:
    await world.rooms.drain(reconnect_in_ms=lambda: 0, within_ms=0)
    world.seats.adopted = [PAIRS]

    await world.rooms.adopt()

    assert world.log.asked == []


async def test_a_pairing_that_can_not_be_erased_keeps_its_one_room_until_it_is(world: World) -> None:
    disk = FullDisk()
    world = World(disk)
    world.log.answers[PAIRS[0]] = [NOBODY] * 2
    room = await world.rooms.enter(PAIRS[0])
    for tried in range(1, 4):
        erasing = asyncio.create_task(world.rooms.erase(PAIRS[0], ended_by=None))
        await until(lambda tried=tried: disk.erasing >= tried)  # type: ignore[misc] # bound now
        for _ in range(3):
            await asyncio.sleep(0)  # it is told
        erasing.cancel()  # whoever waited has lost patience
        assert await world.rooms.enter(PAIRS[0]) is room

    assert len(world.log.asked) == 1


async def test_a_revocation_of_others_leaves_a_room_as_it_is(world: World) -> None:
    """Each room is looked at once for all that are told together: a store that is put back has everything told again."""
    world.log.answers[PAIRS[0]] = [NOBODY] * 2
    room = await world.rooms.enter(PAIRS[0])

    world.rooms.revoke({DeviceId(bytes([number]) * 32) for number in range(1, 100)})

    assert await world.rooms.enter(PAIRS[0]) is room
    assert world.seats.given_back == []
