"""Two pairing services on one PostgreSQL and one NATS: what begins at one goes on at the other. Both in the test's process.

Nobody looks by himself in an hour, where a test does not say otherwise: what is heard came over the bus. With real processes
that are killed: test_pairing_services.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.runtime import bus
from dispatch.runtime.database import parse_database
from dispatch_pairing.bus_bell import BusBell
from dispatch_pairing.limits import Limits
from dispatch_pairing.signing_keys import rotate

from tests.support.account_page import LOOPBACK
from tests.support.browser_end import Browser, text
from tests.support.nats import NatsServer
from tests.support.pairing_device import DEVICE, PAIRING, TRUST, Code, Device, a_host, signed_pairing, words
from tests.support.pairing_service import PairingService, with_limits
from tests.support.postgres import PostgresServer
from tests.support.proxy import Proxy
from tests.support.waiting import DEADLINE_SECONDS, until, until_so


@pytest.fixture
def database(postgres: PostgresServer) -> PostgresServer:
    return postgres


Two = tuple[PairingService, PairingService]


@asynccontextmanager
async def two(
    database: PostgresServer, nats: NatsServer, folder: Path, *, limits: Limits | None = None
) -> AsyncIterator[Two]:
    """Run two services whose keys are in one folder."""
    address = parse_database(database.address(await database.new_database()))
    options = bus.read(nats.address_file(folder / "bus"))
    services = [
        PairingService(folder / "keys", database=address, bus=options, limits=limits or with_limits(), web=LOOPBACK)
        for _ in range(2)
    ]
    async with AsyncExitStack() as stack:
        # Together, as after a power failure: one makes what both have.
        await asyncio.gather(*(stack.enter_async_context(service) for service in services))
        await services[0].add_account()
        yield services[0], services[1]


@pytest.fixture
async def services(database: PostgresServer, nats: NatsServer, tmp_path: Path) -> AsyncIterator[Two]:
    async with two(database, nats, tmp_path) as running:
        yield running


async def pair_across(host: Device, phone: Device, code: Code) -> tuple[bytes, list[list[str]]]:
    """Take two devices through a ceremony, both following; gives the pair id and what each was told."""
    pair_id = os.urandom(16)
    await host.create_offer(code)
    request = pb.FollowOfferRequest(offer_id=code.offer_id)
    async with asyncio.timeout(DEADLINE_SECONDS), host.follow(f"{PAIRING}FollowOffer", request) as at_host:
        heard = [words(await at_host.next())] if await phone.claim(code) else []
        async with phone.follow(f"{PAIRING}FollowOffer", request) as at_phone:
            also = [words(await at_phone.next())]
            for number in range(1, 9):
                await (phone if number % 2 else host).step(code, number)
                # Each waits for the other's step, as devices do.
                (heard if number % 2 else also).append(words(await (at_host if number % 2 else at_phone).next()))
            await host.complete(signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code))
            heard.append(words(await at_host.next()))
            also.append(words(await at_phone.next()))
    return pair_id, [heard, also]


def code() -> Code:
    return Code(offer_id=os.urandom(16), token=os.urandom(32))


async def test_two_that_start_together_are_one_service(services: Two) -> None:
    one, other = services
    host = await one.host()
    again = await other.host("another")

    assert one.name == other.name
    assert host.signed_in.keys == again.signed_in.keys
    assert sorted(file.name for file in one.folder.iterdir()) == ["signing.key"]


async def test_a_ceremony_goes_on_with_the_host_at_one_and_the_phone_at_the_other(services: Two) -> None:
    one, other = services
    host, phone = await one.host(), await other.phone()

    _, told = await pair_across(host, phone, code())

    assert told[0] == ["claimed", "step 1", "step 3", "step 5", "step 7", "complete"]
    assert told[1] == ["claimed", "step 2", "step 4", "step 6", "step 8", "complete"]


async def test_a_revocation_at_one_is_told_to_the_relay_that_follows_the_other(services: Two) -> None:
    one, other = services
    host, phone = await one.host(), await one.phone()
    pair_id = await one.paired(host, phone)
    relay = a_host(other.address)
    relay.nonce = b"not looked at"
    request = pb.FollowTrustRequest(relay_address="relay.example:7302")
    async with asyncio.timeout(DEADLINE_SECONDS), relay.follow(f"{TRUST}FollowTrust", request) as feed:
        assert (await feed.next()).complete
        await host.revoke(phone)
        while not (news := await feed.next()).revoked_devices:
            pass  # the bus came, or came back: an empty word

    assert next(iter(news.revoked_devices)).device_id == phone.id
    assert [ended.pair_id for ended in news.ended_pairings] == [pair_id]


async def test_both_count_the_pairings_that_there_are(services: Two) -> None:
    one, other = services
    host, phone = await one.host(), await one.phone()
    await one.paired(host, phone)
    await one.paired(host, phone)  # in place of the first, which rings

    await until(lambda: other.metric("dispatch_pairing_pairings_active") == 1)


async def test_a_nonce_of_one_is_good_at_the_other(services: Two) -> None:
    one, other = services
    host = await one.host()
    host.server = other.address
    call = host.prepare(f"{PAIRING}CreateOffer", pb.CreateOfferRequest(offer_id=b"o" * 16, claim_token_hash=b"h" * 32))

    await host.send(call)  # not `call`, which would come again with a nonce of this one


async def test_a_browser_whose_next_request_goes_to_the_other_stays_signed_in_and_may_send_its_form(
    services: Two,
) -> None:
    one, other = services
    async with Browser(str(one.running.web)) as browser:
        page = await browser.get("/sign-in")
        assert page.status_code == 200
        browser.client.base_url = f"http://{other.running.web}"
        assert (await browser.sign_in()).status_code == 303
        browser.client.base_url = f"http://{one.running.web}"
        found = await browser.get("/account")
        assert (found.status_code, "ada" in text(found)) == (200, True)
        form = {"form_token": found.text.partition('name="form_token" value="')[2].partition('"')[0]}
        browser.client.base_url = f"http://{other.running.web}"
        assert (await browser.post("/sign-out", form)).status_code == 303
        browser.client.base_url = f"http://{one.running.web}"
        assert (await browser.get("/account")).status_code == 303


async def test_what_one_made_with_the_key_before_is_known_by_one_that_rotated_already(services: Two) -> None:
    """Found: such secrets were those of the key at the start, so that two services were strangers after a rotation."""
    one, other = services
    host = await one.host()
    async with one.store() as store:
        await rotate(store=store, folder=one.folder, now_ms=one.clock.now_ms, rng=os.urandom, leaked=False)
    for clock in (one.clock, other.clock):
        clock.now_ms += one.limits.grant_ms - 60_000
    one.running.bell.ring_all()
    await until_so(lambda: _keys(one, 2))
    host.server = one.address
    await host.sign_in()  # so that the nonce at hand is of the key before
    one.clock.now_ms += 120_000
    other.clock.now_ms += 120_000
    other.running.bell.ring_all()  # it signs with the new one now, and the first does not know yet
    await until_so(lambda: _keys(other, 2))
    host.server = other.address

    await host.send(host.prepare(f"{DEVICE}ListDevices", pb.ListDevicesRequest()))


async def _keys(service: PairingService, number: int) -> bool:
    device = await service.host(f"looks {os.urandom(4).hex()}")
    return len(device.signed_in.keys.keys) == number


async def test_without_the_bus_a_ceremony_takes_looks_instead_of_rings(
    database: PostgresServer, nats: NatsServer, tmp_path: Path
) -> None:
    limits = replace(with_limits(), look_again_ms=50)
    nats.kill()
    try:
        async with two(database, nats, tmp_path, limits=limits) as (one, other):
            _, told = await pair_across(await one.host(), await other.phone(), code())
            assert told[0][-1] == told[1][-1] == "complete"
    finally:
        nats.start()


@asynccontextmanager
async def two_bells(options: bus.BusOptions) -> AsyncIterator[tuple[BusBell, BusBell]]:
    """Give the bells of two services, which hear each other."""
    one, other = BusBell(options), BusBell(options)
    async with one.on(), other.on():
        await until_so(lambda: carried(one, other))
        await until_so(lambda: carried(other, one))
        yield one, other


async def carried(rings: BusBell, hears: BusBell, *, within_ms: int = 500) -> bool:
    """Tell whether a ring came over the bus: whoever is on the bus again also wakes all, those of another topic with it."""
    topic = os.urandom(16)
    with hears.bell.listen(topic) as ear, hears.bell.listen(os.urandom(16)) as another:
        rings.bell.ring(topic)
        await ear.wait(at_most_ms=within_ms)
        return ear.rung and not another.rung


async def test_rings_are_heard_by_the_other_service_again_when_the_bus_is_back(
    nats: NatsServer, tmp_path: Path
) -> None:
    async with two_bells(bus.read(nats.address_file(tmp_path / "bus"))) as (one, other):
        for _ in range(2):
            nats.kill()
            nats.start()

            await until_so(lambda: carried(one, other))
            await until_so(lambda: carried(other, one))


async def test_rings_while_the_bus_was_away_are_made_up_for_when_it_is_back(nats: NatsServer, tmp_path: Path) -> None:
    """However many they were: who waits at the other service is woken, and looks."""
    topic = os.urandom(16)
    async with two_bells(bus.read(nats.address_file(tmp_path / "bus"))) as (one, other):
        with other.bell.listen(topic) as ear:
            nats.kill()
            try:
                one.bell.ring(topic)
                for number in range(5_000):  # more than are kept
                    one.bell.ring(b"%16d" % number)
                await ear.wait(at_most_ms=100)
                heard = ear.rung
            finally:
                nats.start()
            assert not heard
            await until(lambda: ear.rung)
        await until_so(lambda: carried(one, other))


async def test_a_bus_that_stands_still_as_a_service_comes_is_left_and_tried_again(
    nats: NatsServer, tmp_path: Path
) -> None:
    """It takes the service in, and then says nothing: nobody knows whether it hears."""
    async with Proxy(f"{nats.host}:{nats.port}") as proxy:
        proxy.freeze_at_words = b"SUB "  # what the service listens to: all before that is through
        file = nats.address_file(tmp_path / "bus")
        behind = tmp_path / "behind"
        behind.touch(mode=0o600)
        behind.write_text(nats.url.replace(f"{nats.host}:{nats.port}", proxy.address))
        one, other = BusBell(bus.read(behind)), BusBell(bus.read(file))
        async with one.on(), other.on():
            await until(lambda: proxy.frozen)
            assert not await carried(other, one)
            proxy.cut()
            proxy.thaw()

            await until_so(lambda: carried(other, one))
            await until(lambda: proxy.connections >= 2)  # by itself, or by the loop, which had no answer
            await until_so(lambda: carried(other, one))
            await until_so(lambda: carried(one, other))


async def test_whoever_is_on_the_bus_can_wake_people_and_nothing_else(nats: NatsServer, tmp_path: Path) -> None:
    options = bus.read(nats.address_file(tmp_path / "bus"))
    bell = BusBell(options)
    mallory = await bus.connect(options, name="mallory")
    async with bell.on():
        with bell.bell.listen(b"o") as ear:
            await ear.wait(at_most_ms=int(DEADLINE_SECONDS) * 1_000)
            for content in (b"", b"x" * 1_000_000, b"\xff" * 64, b"unknown"):
                await mallory.publish("dispatch.pairing.ring", content)
            ear.clear()
            await mallory.publish("dispatch.pairing.ring", b"o")
            await ear.wait(at_most_ms=int(DEADLINE_SECONDS) * 1_000)
            assert ear.rung
    await mallory.close()
