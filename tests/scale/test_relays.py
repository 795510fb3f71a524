"""Two relays as real processes on one PostgreSQL and one NATS: each of the four is killed or frozen, and nothing is lost.

The devices are made by hand, so that each is at the relay that the test wants; the pairing service is `TrustService`. How long each
recovery took is printed, and bounded by the tests' deadline only. tests/protocol/test_fronts.py has the same rules without servers.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd, Identity
from tests.support.nats import NatsServer
from tests.support.ports import address_to_come_back_to
from tests.support.postgres import PostgresServer
from tests.support.processes import Process
from tests.support.relay import Pair
from tests.support.transfer_end import TransferEnd
from tests.support.trust_service import TrustService, new_id
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.support.world import scrape

_COMES_AGAIN = (
    errors.Draining,
    errors.TrustStale,
    errors.NoNetwork,
    errors.StoreFailed,
    errors.LeaseLost,
    errors.ProtocolViolation,
)
QUICK = {
    "DISPATCH_RELAY_LEASE_MS": "3000",
    "DISPATCH_RELAY_RESTART_GRACE_MS": "20000",
    "DISPATCH_RELAY_VALID_FOR_MS": "60000",
    "DISPATCH_RELAY_DRAIN_MS": "500",
}


class Relays:
    """The servers and both relays."""

    def __init__(
        self, folder: Path, postgres: PostgresServer, nats: NatsServer, trust: TrustService, name: str
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.nats = nats
        self.trust = trust
        self.addresses = [address_to_come_back_to() for _ in range(2)]
        self.relays: list[Process] = []
        self._metrics = ["", ""]
        self._common = (
            *("--database", str(postgres.address_file(name, folder / "database"))),
            *("--bus", str(nats.address_file(folder / "bus"))),
        )

    async def serve(self, number: int) -> Process:
        """Start a relay, with a data folder of its own."""
        process = await Process.start(
            *("dispatch-relay", "serve", "--listen", self.addresses[number], "--metrics", "127.0.0.1:0"),
            *("--data", str(self.folder / f"data {number}"), "--pairing", self.trust.address, *self._common),
            env=QUICK,
        )
        self._metrics[number] = (await process.event("listening"))["metrics"]
        return process

    async def start_again(self, number: int) -> None:
        """Start a relay that has ended."""
        self.relays[number] = await self.serve(number)

    async def metric(self, number: int, line: str) -> float:
        """Read one sample of a relay."""
        for sample in (await scrape(self._metrics[number])).decode().splitlines():
            if sample.startswith(line + " "):
                return float(sample.rpartition(" ")[2])
        raise AssertionError(f"no sample {line}")

    async def attach(self, device: Identity, *numbers: int, resume_after: int = 0) -> DeviceEnd:
        """Attach to the first of these relays that lets it in, again and again, as a device does."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                for number in numbers:
                    try:
                        return await DeviceEnd.attach(device, self.addresses[number], resume_after=resume_after)
                    except _COMES_AGAIN:
                        await asyncio.sleep(0.05)  # as a device backs off

    @asynccontextmanager
    async def apart(self, host_at: int = 0) -> AsyncIterator[Couple]:
        """Give a host at one relay, which so has the seat, and its phone at the other."""
        pair = Pair(self.trust)
        couple = Couple(self, pair)
        try:
            couple.host = await self.attach(pair.host, host_at)
            couple.phone = await self.attach(pair.phone, 1 - host_at)
            yield couple
        finally:
            await asyncio.gather(couple.host.drop(), couple.phone.drop())


class Couple:
    """A phone and a host that keep count of what was decided, as their journals do."""

    host: DeviceEnd
    phone: DeviceEnd

    def __init__(self, world: Relays, pair: Pair) -> None:
        self.world = world
        self.pair = pair
        self.posted: list[bytes] = []
        self.gone: dict[bytes, set[int]] = {}  # by command: the rows of its go that the host ever got
        self.receipts: dict[bytes, set[int]] = {}

    async def task(self, sealed: bytes, *relays: int) -> None:
        """Have a command posted and accepted, however often either has to come again; nobody hears two different answers."""
        message_id = None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while message_id is None or message_id not in self.receipts:
                message_id = await self.phone.post(sealed, task_id=b"t" * 16, valid_for_ms=60_000)
                if await self._hears(self.host, "handover", message_id):
                    await self.host.say(take=pb.Take(message_id=message_id))
                    await self._hears(self.phone, "receipt", message_id)
                    await self._hears(self.host, "deliver", message_id)
                self.look()
                if message_id not in self.receipts:
                    await self.come_again(*relays)
        self.posted.append(message_id)

    async def _hears(self, end: DeviceEnd, word: str, message_id: bytes) -> bool:
        """Wait for a word about a command; False when either stream ended before."""

        def heard() -> bool:
            return any(one.message_id == message_id for one in end.all(word))

        await until(lambda: heard() or self.phone.closed or self.host.closed or self._answered(message_id))
        return heard()

    def _answered(self, message_id: bytes) -> bool:
        return any(one.message_id == message_id for one in self.phone.all("receipt"))

    async def come_again(self, *relays: int) -> None:
        """Have both ends come again that were cut, the host to the first of these relays and the phone to the last.

        They ask for all rows, so that what they had is compared with what is.
        """
        for role, order in (("host", relays), ("phone", relays[::-1])):
            end: DeviceEnd = getattr(self, role)
            if end.closed:
                await end.drop()
                setattr(self, role, await self.world.attach(getattr(self.pair, role), *order))
            self.look()

    def look(self) -> None:
        """Note every answer that either has."""
        for end, kept, word in ((self.host, self.gone, "deliver"), (self.phone, self.receipts, "receipt")):
            for one in end.all(word):
                kept.setdefault(bytes(one.message_id), set()).add(one.seq)

    async def is_whole(self, *relays: int) -> None:
        """Check that every command has one row, the same for both, and that all rows are still there."""
        for role in ("host", "phone"):
            await getattr(self, role).drop()
            setattr(self, role, await self.world.attach(getattr(self.pair, role), *relays))
        for end, word in ((self.host, "deliver"), (self.phone, "receipt")):
            for message_id in self.posted:
                await end.got(word, partial(_is_about, message_id))
        self.look()
        for message_id in self.posted:
            assert len(self.gone[message_id]) == 1, "a command with two goes"
            assert self.gone[message_id] == self.receipts[message_id]


def _is_about(message_id: bytes, one: Any) -> bool:
    return bool(one.message_id == message_id)


@pytest.fixture
async def world(postgres: PostgresServer, nats: NatsServer, tmp_path: Path) -> AsyncIterator[Relays]:
    async with TrustService() as trust:
        world = Relays(tmp_path, postgres, nats, trust, await postgres.new_database())
        world.relays += await asyncio.gather(world.serve(0), world.serve(1))
        try:
            yield world
        finally:
            await asyncio.gather(*(one.stop() for one in world.relays))


def told(what: str, since: float) -> None:
    print(f"{what}: a task was done again after {time.monotonic() - since:.1f} s")  # noqa: T201 -- a figure for who reads the run


async def test_nothing_is_lost_whichever_of_the_four_ends(world: Relays) -> None:
    """One story, since each relay takes a start: it begins with both, and each fault begins when all is well again."""
    async with world.apart() as couple:
        await couple.task(b"apart", 0, 1)
        assert await world.metric(0, 'dispatch_relay_channels{side="seat"}') == 1
        assert await world.metric(1, 'dispatch_relay_channels{side="front"}') == 1
        await a_transfer(world, couple.pair)

        began = time.monotonic()
        world.relays[0].signal(signal.SIGKILL)
        await world.relays[0].ended()
        await couple.task(b"the seat was killed", 1)
        told("relay with the seat killed", began)
        await world.start_again(0)

    async with world.apart(host_at=1) as couple:
        await couple.task(b"before", 1, 0)
        began = time.monotonic()
        world.relays[0].signal(signal.SIGKILL)
        await world.relays[0].ended()
        await couple.task(b"the front was killed", 1)
        told("front killed", began)
        await world.start_again(0)
        await couple.is_whole(0, 1)

    async with world.apart() as couple:
        await couple.task(b"before", 0, 1)
        began = time.monotonic()
        world.nats.kill()
        await couple.phone.ended()
        world.nats.start()
        await couple.task(b"the bus was away", 1, 0)
        told("NATS killed and started", began)

        began = time.monotonic()
        world.postgres.kill()
        world.postgres.start()
        await couple.task(b"the database was away", 0, 1)
        told("PostgreSQL killed and started", began)
        await couple.is_whole(0, 1)


async def test_a_frozen_relay_loses_its_seat_and_what_it_then_writes_does_not_count(world: Relays) -> None:
    async with world.apart() as couple:
        await couple.task(b"before", 0, 1)
        began = time.monotonic()
        world.relays[0].signal(signal.SIGSTOP)
        frozen = couple.host
        late = new_id()
        await frozen.say(post=pb.Post(message_id=late, task_id=new_id(), kind=pb.KIND_KEEP))
        assert isinstance(await couple.phone.ended(), errors.Draining)
        couple.host = await world.attach(couple.pair.host, 1)
        await couple.come_again(1)
        await couple.task(b"another has the seat", 1)
        told("relay with the seat frozen", began)

        world.relays[0].signal(signal.SIGCONT)
        await frozen.ended()
        await couple.task(b"and keeps it", 1)
        await couple.is_whole(1)
        assert late not in [one.message_id for one in couple.phone.all("deliver")]


async def test_relays_are_replaced_one_by_one_while_tasks_run_and_a_revocation_cuts_at_once(world: Relays) -> None:
    async with world.apart() as couple:
        for number in (0, 1):
            began = time.monotonic()
            stopping = asyncio.create_task(world.relays[number].stop())
            await couple.task(b"while relay %d stops" % number, 1 - number)
            told("relay stopped", began)
            await stopping
            await world.start_again(number)
            await couple.task(b"and when it is back", 0, 1)
        await couple.is_whole(0, 1)

    async with world.apart() as couple:
        await world.trust.revoke(couple.pair.phone.device_id)
        assert isinstance(await couple.phone.ended(), errors.DeviceRevoked)


async def a_transfer(world: Relays, pair: Pair) -> None:
    transfer_id = new_id()
    phone, host = TransferEnd(pair.phone, world.addresses[1]), TransferEnd(pair.host, world.addresses[0])
    async with phone, host:
        await asyncio.gather(phone.join(transfer_id), host.join(transfer_id))
        await phone.data(b"a chunk")
        assert await host.heard() == b"a chunk"
        await host.data(b"have")
        assert await phone.heard() == b"have"
        await host.say(bye=pb.Bye())
        assert [await phone.ended(), await host.ended()] == [None, None]
