"""The trust feed, as relays follow it. Over real gRPC."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST, DEVICE_KIND_PHONE
from dispatch.proof import KeySignature, PinnedKeys, may_replace
from dispatch_pairing.limits import Limits
from dispatch_pairing.storage import DATABASE

from tests.support.pairing_device import TRUST, Device, Feed, a_host
from tests.support.pairing_service import PairingService, with_limits
from tests.support.waiting import DEADLINE_SECONDS

RELAY = "relay.example:7302"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing", relay=None) as service:
        await service.add_account("ada")
        yield service


@asynccontextmanager
async def following(
    service: PairingService, *, address: str = RELAY, after: int = 0, digest: bytes = b""
) -> AsyncIterator[Feed]:
    caller = a_host(service.address)
    caller.nonce = b"not looked at"
    request = pb.FollowTrustRequest(relay_address=address, after_sequence=after, after_digest=digest)
    async with caller.follow(f"{TRUST}FollowTrust", request) as feed:
        yield feed


def ended(message: pb.FollowTrustResponse) -> list[bytes]:
    return [pairing.pair_id for pairing in message.ended_pairings]


async def pair(service: PairingService, *names: str) -> tuple[Device, list[Device], list[bytes]]:
    host = await service.host()
    phones = [await service.phone(name) for name in names]
    return host, phones, [await service.paired(host, phone) for phone in phones]


async def test_the_first_word_is_the_keys_and_the_state(service: PairingService) -> None:
    async with following(service) as feed:
        first = await feed.next()

    keys = PinnedKeys(keys=tuple(first.keys.keys), sequence=first.keys.sequence)
    assert may_replace(None, keys, [KeySignature(one.key_id, one.signature) for one in first.keys.signatures])
    assert first.complete
    assert first.server_time_ms == service.clock.now_ms
    assert ended(first) == []


async def test_a_pairing_that_ends_is_told_at_once_with_the_side_that_ended_it(service: PairingService) -> None:
    host, phones, pairings = await pair(service, "pocket", "tablet")
    async with following(service) as feed:
        first = await feed.next()

        await host.end_pairing(pairings[0])
        news = await feed.next()
        assert [(one.pair_id, one.ended_by) for one in news.ended_pairings] == [(pairings[0], DEVICE_KIND_HOST)]
        assert not news.HasField("keys")
        assert first.sequence < news.sequence == news.ended_pairings[0].sequence

        await phones[1].end_pairing(pairings[1])
        assert [one.ended_by for one in (await feed.next()).ended_pairings] == [DEVICE_KIND_PHONE]

        replaced = await service.paired(host, phones[0])
        await service.paired(host, phones[0])
        told = (await feed.next()).ended_pairings
        assert [(one.pair_id, one.ended_by) for one in told] == [(replaced, 0)]


async def test_a_relay_that_comes_back_is_told_what_it_missed_and_no_more(service: PairingService) -> None:
    host, _, pairings = await pair(service, "a", "b", "c")
    await host.end_pairing(pairings[0])
    async with following(service) as feed:
        seen = await feed.next()
    await host.end_pairing(pairings[1])
    await service.restart()
    await host.end_pairing(pairings[2])

    async with following(service, after=seen.sequence, digest=seen.digest) as feed:
        assert ended(await feed.next()) == pairings[1:]
    async with following(service) as feed:
        assert ended(await feed.next()) == pairings


@asynccontextmanager
async def put_back_at_the_end(service: PairingService) -> AsyncIterator[None]:
    """Take a copy of the store, and put it back under the running service when the block ends: no command of ours knows of it."""
    with closing(sqlite3.connect(":memory:")) as copy, closing(sqlite3.connect(service.folder / DATABASE)) as store:
        store.backup(copy)
        yield
        copy.backup(store)


async def test_a_relay_that_was_away_while_the_store_was_put_back_hears_what_was_revoked_since(
    service: PairingService,
) -> None:
    """The count is where the relay left it, or further; what was told up to there is something else."""
    host, _, pairings = await pair(service, "a", "b", "c")
    await host.end_pairing(pairings[0])
    async with put_back_at_the_end(service):
        await host.end_pairing(pairings[1])
        async with following(service) as feed:
            seen = await feed.next()
    await host.end_pairing(pairings[2])

    async with following(service, after=seen.sequence, digest=seen.digest) as feed:
        news = await feed.next()

    assert news.sequence == seen.sequence
    assert ended(news) == [pairings[0], pairings[2]]
    assert news.digest != seen.digest


async def test_a_relay_that_follows_while_the_store_is_put_back_hears_everything_anew(service: PairingService) -> None:
    host, _, pairings = await pair(service, "a", "b", "c")
    await host.end_pairing(pairings[0])
    async with following(service) as feed:
        await feed.next()
        async with put_back_at_the_end(service):
            await host.end_pairing(pairings[1])
            await feed.next()

        await host.end_pairing(pairings[2])

        assert ended(await feed.next()) == [pairings[0], pairings[2]]


async def test_a_relay_that_knows_no_digests_is_told_everything(service: PairingService) -> None:
    host, _, pairings = await pair(service, "a")
    await host.end_pairing(pairings[0])
    async with following(service) as feed:
        seen = await feed.next()

    async with following(service, after=seen.sequence) as feed:
        assert ended(await feed.next()) == pairings


@pytest.mark.parametrize("after", [2**63, 2**64 - 1])
async def test_a_relay_that_knows_more_than_the_service_is_told_everything(service: PairingService, after: int) -> None:
    host, _, pairings = await pair(service, "a")
    await host.end_pairing(pairings[0])

    async with following(service, after=after) as feed:
        assert ended(await feed.next()) == pairings


async def test_a_long_list_comes_in_parts_and_only_the_last_is_complete(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", relay=None, limits=with_limits(trust_chunk=2)) as service:
        await service.add_account("ada")
        host, _, pairings = await pair(service, "a", "b", "c", "d", "e")
        for pair_id in pairings:
            await host.end_pairing(pair_id)

        async with following(service) as feed:
            parts = [await feed.next() for _ in range(3)]

        assert [ended(part) for part in parts] == [pairings[:2], pairings[2:4], pairings[4:]]
        assert [part.complete for part in parts] == [False, False, True]
        assert [part.HasField("keys") for part in parts] == [True, False, False]
        assert sorted(part.sequence for part in parts) == [part.sequence for part in parts]


async def test_a_heartbeat_comes_though_nothing_happens(tmp_path: Path) -> None:
    limits = with_limits(heartbeat_ms=50)
    async with PairingService(tmp_path / "pairing", relay=None, limits=limits) as service, following(service) as feed:
        first, second = await feed.next(), await feed.next()

    assert second == pb.FollowTrustResponse(sequence=first.sequence, server_time_ms=first.server_time_ms, complete=True)


def test_heartbeats_come_more_often_than_the_contract_asks() -> None:
    assert Limits().heartbeat_ms < 20_000


async def test_a_relay_that_follows_is_handed_to_devices_until_a_minute_after_it_left(
    service: PairingService,
) -> None:
    host, _, pairings = await pair(service, "pocket")
    with pytest.raises(errors.NoRelay):
        await host.renew(pairings[0])
    async with following(service) as feed:
        await feed.next()
        assert (await host.renew(pairings[0])).relays == [RELAY]
        assert service.metric("dispatch_pairing_relays_live") == 1
        await service.advance(1)
        async with following(service, address="[2001:db8::1]:7302") as second:
            await second.next()
            assert (await host.renew(pairings[0])).relays == ["[2001:db8::1]:7302", RELAY]

    async with asyncio.timeout(DEADLINE_SECONDS):
        while service.metric("dispatch_pairing_relays_live"):
            assert (await host.renew(pairings[0])).relays
    await service.advance(59_999)
    assert len((await host.renew(pairings[0])).relays) == 2
    await service.advance(1)
    with pytest.raises(errors.NoRelay):
        await host.renew(pairings[0])


async def test_a_fixed_relay_is_handed_out_whoever_follows(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", relay="fixed.example:1") as service:
        await service.add_account("ada")
        host, _, pairings = await pair(service, "pocket")
        async with following(service) as feed:
            await feed.next()

            assert (await host.renew(pairings[0])).relays == ["fixed.example:1"]


@pytest.mark.parametrize("address", ["", "relay", "relay:99999", "rel\nay:1", "x" * 300 + ":1", "http://relay:1"])
async def test_a_relay_address_that_is_none_is_refused(service: PairingService, address: str) -> None:
    async with following(service, address=address) as feed:
        with pytest.raises(errors.BadRequest) as refused:
            await feed.next()

    assert refused.value.metadata == {"field": "relay_address"}


async def test_the_number_of_relays_is_bounded(tmp_path: Path) -> None:
    limits = with_limits(relays=1)
    async with PairingService(tmp_path / "pairing", relay=None, limits=limits) as service, following(service) as first:
        await first.next()
        async with following(service, address="another.example:1") as second:
            with pytest.raises(errors.RateLimited):
                await second.next()
        async with following(service) as again:
            assert (await again.next()).complete


async def test_a_relay_has_a_bounded_number_of_streams(tmp_path: Path) -> None:
    limits = with_limits(follows=1)
    async with PairingService(tmp_path / "pairing", relay=None, limits=limits) as service, following(service) as first:
        await first.next()
        async with following(service) as second:
            with pytest.raises(errors.RateLimited):
                await second.next()


async def test_a_relay_is_sent_away_when_the_service_closes(service: PairingService) -> None:
    async with following(service) as feed:
        await feed.next()

        await service.restart()

        with pytest.raises(errors.Draining):
            await feed.next()
