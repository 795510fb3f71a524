"""Pairing services are replaced one by one, or stand still, while devices pair and are revoked: nothing is lost or told twice.

The devices call as through a load balancer: another service when one is away, or says nothing. test_pairing_services.py kills them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb

from tests.support.nats import NatsServer
from tests.support.pairing_device import TRUST, Code, Device, a_host, a_phone, signed_pairing
from tests.support.pairing_services import RELAYS, PairingServices
from tests.support.postgres import PostgresServer
from tests.support.waiting import DEADLINE_SECONDS, until

T = TypeVar("T")

COMES_AGAIN = (errors.Draining, errors.NoNetwork, errors.StoreFailed)
SILENT_SECONDS = 5.0
"""After this the other service is asked; real devices give it twice as long."""
PHONES = 8
"""A new one for each of two hosts in each of four rounds."""
TOLD = [
    ["claimed", "step 1", "step 3", "step 5", "step 7", "complete"],
    ["claimed", "step 2", "step 4", "step 6", "step 8", "complete"],
]


class Feed:
    """Follows the trust feed of one service as a relay does, again and again, and keeps all that it was told."""

    def __init__(self, address: str) -> None:
        self.relay = a_host(address)
        self.relay.nonce = b"not looked at"
        self.sequence, self.digest = 0, b""
        self.revoked: list[bytes] = []
        self.ended: list[bytes] = []
        self.sequences: list[int] = []

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            request = pb.FollowTrustRequest(
                relay_address=RELAYS, after_sequence=self.sequence, after_digest=self.digest
            )
            try:
                async with self.relay.follow(f"{TRUST}FollowTrust", request) as feed:
                    while (news := await feed.next()) is not None:
                        self._take(news)
            except COMES_AGAIN:
                pass
            await asyncio.sleep(0.05)  # as a relay backs off

    def _take(self, news: pb.FollowTrustResponse) -> None:
        self.revoked += [one.device_id for one in news.revoked_devices]
        self.ended += [one.pair_id for one in news.ended_pairings]
        of_devices = [one.sequence for one in news.revoked_devices]
        self.sequences += sorted([*of_devices, *(one.sequence for one in news.ended_pairings)])
        if news.complete:
            self.sequence, self.digest = news.sequence, news.digest


class People:
    """Hosts that pair with one new phone after the other and revoke it, at whatever service answers."""

    def __init__(self, services: PairingServices) -> None:
        self.services = services
        self.hosts = [a_host(address, f"desk {number}") for number, address in enumerate(services.addresses)]
        self.revoked: set[bytes] = set()
        self.ended: set[bytes] = set()
        self._phones = [a_phone(services.addresses[1], f"phone {number}") for number in range(PHONES)]
        self._fresh = iter(self._phones)

    async def sign_in(self) -> None:
        """Sign all of them in, while both services are there: a password takes its time, and a try that is given up counts."""
        for device in (*self.hosts, *self._phones):
            await device.sign_in()

    async def anywhere(self, device: Device, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call until it is answered: at the other service when this one is away or silent."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    async with asyncio.timeout(SILENT_SECONDS):
                        return await call()
                except (*COMES_AGAIN, TimeoutError):
                    device.server = next(one for one in self.services.addresses if one != device.server)

    async def pair_and_revoke(self, host: Device, begun: asyncio.Event) -> None:
        """Take a new phone through a whole ceremony, which both follow, and revoke it. `begun`: it is in the middle."""
        phone = next(self._fresh)
        code, pair_id = Code(os.urandom(16), os.urandom(32)), os.urandom(16)
        await self.anywhere(host, lambda: host.create_offer(code))
        await self.anywhere(phone, lambda: phone.claim(code))
        async with asyncio.TaskGroup() as following:
            told = [following.create_task(self._told(one, code)) for one in (host, phone)]
            for number in range(1, 9):
                one = phone if number % 2 else host
                await self.anywhere(one, lambda one=one, number=number: one.step(code, number))  # type: ignore[misc]
                begun.set()
            signed = signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code)
            await self.anywhere(host, lambda: host.complete(signed))
        assert [one.result() for one in told] == TOLD
        await self.anywhere(host, lambda: host.revoke(phone))
        self.revoked.add(phone.id)
        self.ended.add(pair_id)
        with pytest.raises(errors.DeviceRevoked):
            await self.anywhere(phone, lambda: phone.renew(pair_id))

    async def _told(self, device: Device, code: Code) -> list[str]:
        stream = replace(device)  # which may be at another service than its calls
        return await self.anywhere(stream, lambda: stream.told(code))

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Have each host pair with a phone and revoke it: the block begins in the middle, and ends when that is done."""
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as rounds:
            for host in self.hosts:
                rounds.create_task(self.pair_and_revoke(host, begun))
            await begun.wait()
            yield


@pytest.fixture
async def services(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[PairingServices]:
    with NatsServer.running() as nats:
        async with PairingServices.running(tmp_path, postgres, nats) as services:
            yield services


async def test_ceremonies_and_revocations_go_on_while_services_are_replaced_or_stand_still(
    services: PairingServices,
) -> None:
    """One story, since each service takes a start."""
    people = People(services)
    feeds = [Feed(address) for address in services.addresses]
    await people.sign_in()
    async with AsyncExitStack() as ending:
        for feed in feeds:
            following = asyncio.create_task(feed.follow())
            ending.callback(following.cancel)

        for number in (0, 1):
            async with people.busy():
                assert await services.services[number].stop() == 0
            services.services[number] = await services.serve(number)

        async with people.busy():
            services.services[0].signal(signal.SIGSTOP)
        async with people.busy():
            services.services[0].signal(signal.SIGCONT)

        for feed in feeds:
            await until(lambda feed=feed: people.revoked <= set(feed.revoked) and people.ended <= set(feed.ended))  # type: ignore[misc]
    assert len(people.revoked) == PHONES
    for feed in feeds:
        assert sorted(feed.revoked) == sorted(people.revoked)
        assert sorted(feed.ended) == sorted(people.ended)
        assert feed.sequences == sorted(set(feed.sequences))
