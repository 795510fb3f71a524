"""Two pairing services as real processes on one PostgreSQL and one NATS, and what people notice when one of the four is killed.

test_pairing_together.py has what is told over the bus, with services in the test's own process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb

from tests.support.nats import NatsServer
from tests.support.pairing_device import PAIRING, PASSWORD, TRUST, Code, Device, a_host, a_phone, signed_pairing, words
from tests.support.pairing_services import RELAYS, PairingServices
from tests.support.postgres import PostgresServer
from tests.support.processes import run
from tests.support.waiting import DEADLINE_SECONDS


@pytest.fixture
def database(postgres: PostgresServer) -> PostgresServer:
    return postgres


@pytest.fixture
async def world(database: PostgresServer, tmp_path: Path) -> AsyncIterator[PairingServices]:
    with NatsServer.running() as nats:
        async with PairingServices.running(tmp_path, database, nats) as services:
            yield services


@asynccontextmanager
async def _followed(device: Device, code: Code) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    request = pb.FollowOfferRequest(offer_id=code.offer_id)
    async with asyncio.timeout(DEADLINE_SECONDS), device.follow(f"{PAIRING}FollowOffer", request) as feed:

        async def told() -> str:
            return words(await feed.next())

        yield told


def metrics_page(address: str) -> str:
    with urlopen(f"http://{address}/metrics") as page:
        content: bytes = page.read()
    return content.decode()


async def works(device: Device) -> bool:
    """Tell whether the service of this device answers a call that needs the store."""
    try:
        return await device.is_signed_in()
    except (errors.StoreFailed, errors.NoNetwork):
        return False


async def test_what_people_notice_while_each_of_the_four_is_killed(world: PairingServices) -> None:
    """One story, since each service takes a start: it begins with both, and ends with all back."""
    host, phone = a_host(world.addresses[0]), a_phone(world.addresses[1])
    await asyncio.gather(host.sign_in(), phone.sign_in())
    assert host.signed_in.keys == phone.signed_in.keys
    assert host.signed_in.service_name == phone.signed_in.service_name
    assert [file.name for file in (world.folder / "keys").iterdir()] == ["signing.key"]
    assert {one.events[0]["name"] for one in world.services} == {host.signed_in.service_name}

    # A ceremony begins with the host at one and the phone at the other, and one of them dies in the middle.
    code, pair_id = Code(os.urandom(16), os.urandom(32)), os.urandom(16)
    await host.create_offer(code)
    async with _followed(host, code) as told:
        await phone.claim(code)
        assert await told() == "claimed"
        for number in range(1, 5):
            await (phone if number % 2 else host).step(code, number)
        assert [await told(), await told()] == ["step 1", "step 3"]
    world.services[1].signal(signal.SIGKILL)
    await world.services[1].ended()
    phone.server = world.addresses[0]
    for number in range(5, 9):
        await (phone if number % 2 else host).step(code, number)
    await host.complete(signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code))
    assert await phone.told(code) == ["claimed", "step 2", "step 4", "step 6", "step 8", "complete"]
    world.services[1] = await world.serve(1)

    # A relay follows one; the other revokes.
    relay = a_host(world.addresses[1])
    relay.nonce = b"not looked at"
    request = pb.FollowTrustRequest(relay_address=RELAYS)
    async with asyncio.timeout(DEADLINE_SECONDS), relay.follow(f"{TRUST}FollowTrust", request) as feed:
        assert (await feed.next()).complete
        await host.revoke(phone)
        while not (news := await feed.next()).revoked_devices:
            pass  # a word that says only that it is there
    assert [ended.pair_id for ended in news.ended_pairings] == [pair_id]

    # PostgreSQL goes and comes back: calls say so meanwhile, and the services need no restart.
    world.database.kill()
    try:
        with pytest.raises(errors.StoreFailed):
            await host.create_offer(Code(os.urandom(16), os.urandom(32)))
    finally:
        world.database.start()
    tablet = a_phone(world.addresses[1], "tablet")
    await tablet.sign_in()
    assert await works(host)
    assert await works(tablet)

    # NATS goes, and a ceremony takes a little longer; it comes back, and so do the rings.
    world.nats.kill()
    await _paired(host, tablet)
    world.nats.start()
    await _paired(host, tablet)
    assert [one.returncode for one in world.services] == [None, None]

    for one in world.services:
        said = one.stderr.decode()
        assert "bus lost" in said
        assert world.database.password not in said
        assert world.nats.password not in said
        assert world.database.password not in await asyncio.to_thread(metrics_page, one.events[0]["metrics"])


async def _paired(host: Device, phone: Device) -> None:
    code, pair_id = Code(os.urandom(16), os.urandom(32)), os.urandom(16)
    await host.create_offer(code)
    async with _followed(host, code) as told:
        await phone.claim(code)
        assert await told() == "claimed"
        for number in range(1, 9):
            await (phone if number % 2 else host).step(code, number)
        assert [await told() for _ in range(4)] == ["step 1", "step 3", "step 5", "step 7"]
        await host.complete(signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code))
        assert await told() == "complete"


async def test_the_operators_commands_work_on_the_database(database: PostgresServer, tmp_path: Path) -> None:
    stored = ("--database", str(database.address_file(await database.new_database(), tmp_path / "database")))
    data = ("--data", str(tmp_path / "data"))
    added = await run("dispatch-pairing", "account", "add", "ada", "--password-stdin", *data, *stored, stdin=PASSWORD)
    listed = await run("dispatch-pairing", "account", "list", *data, *stored)
    rotated = await run("dispatch-pairing", "keys", "rotate", "--keys", str(tmp_path / "keys"), *data, *stored)

    assert (added[0], listed[0], rotated[0]) == (0, 0, 0)
    assert [one["account"] for one in listed[1]] == ["ada"]
    assert [file.name for file in (tmp_path / "keys").iterdir()] == ["signing.key"]
    assert [file.name for file in (tmp_path / "data").iterdir()] == []
