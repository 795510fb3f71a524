"""The transfer stream against a real relay: two ends meet, one hears what the other says, and what ends it ends it for both."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.relay.v1 import transfer_pb2

from tests.support.relay import QUICK, Pair, Relay
from tests.support.transfer_end import TransferEnd
from tests.support.trust_service import new_id
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS

ENDS = "dispatch_relay_transfer_ends_total"
BYTES = "dispatch_relay_transfer_bytes_total"
MOST_BETWEEN = 1_000
"""Chunks between two ends of which one reads nothing."""


def ends(relay: Relay, pair: Pair) -> tuple[TransferEnd, TransferEnd]:
    return TransferEnd(pair.phone, relay.address), TransferEnd(pair.host, relay.address)


async def joined(phone: TransferEnd, host: TransferEnd) -> bytes:
    transfer_id = new_id()
    await asyncio.gather(phone.join(transfer_id), host.join(transfer_id))
    return transfer_id


async def test_what_one_end_says_the_other_hears_in_order_and_the_first_goodbye_ends_it_for_both(
    calm_relay: Relay,
) -> None:
    phone, host = ends(calm_relay, calm_relay.pair())
    async with phone, host:
        await joined(phone, host)

        await host.data(b"ask")
        assert await phone.heard() == b"ask"
        for number in range(20):
            await phone.data(b"chunk %d" % number)
        assert [await host.heard() for _ in range(20)] == [b"chunk %d" % number for number in range(20)]
        await host.data(b"have")
        await host.say(bye=pb.Bye())

        assert await phone.heard() == b"have"
        assert [await phone.ended(), await host.ended()] == [None, None]
    assert await calm_relay.metric(ENDS, reason="bye") == 1
    assert await calm_relay.metric(BYTES, to="host") == sum(len(b"chunk %d" % number) for number in range(20))
    assert await calm_relay.metric(BYTES, to="phone") == len(b"ask") + len(b"have")
    assert await calm_relay.metric("dispatch_relay_transfers") == 0


async def test_the_same_id_in_another_pairing_is_another_transfer(calm_relay: Relay) -> None:
    phone, host = ends(calm_relay, calm_relay.pair())
    stranger, its_host = ends(calm_relay, calm_relay.pair())
    transfer_id = new_id()
    async with phone, host, stranger, its_host:
        await phone.open(transfer_id)
        await its_host.open(transfer_id)
        await asyncio.gather(host.join(transfer_id), stranger.join(transfer_id))

        await host.data(b"for my phone")
        await its_host.hears("joined")
        await its_host.data(b"for the other phone")

        await phone.hears("joined")
        assert await phone.heard() == b"for my phone"
        assert await stranger.heard() == b"for the other phone"


async def test_when_one_end_breaks_the_other_is_told_that_its_peer_is_gone(calm_relay: Relay) -> None:
    phone, host = ends(calm_relay, calm_relay.pair())
    async with phone, host:
        await joined(phone, host)

        await host.drop()

        assert isinstance(await phone.ended(), errors.PeerAbsent)


async def test_an_end_whose_peer_does_not_come_is_told_so(tmp_path: Path, carrier: str) -> None:
    async with Relay(tmp_path / "relay", carrier=carrier, settings=replace(QUICK, transfer_join_ms=100)) as relay:
        phone = TransferEnd(relay.pair().phone, relay.address)
        async with phone:
            await phone.open(new_id())

            assert isinstance(await phone.ended(), errors.PeerAbsent)


async def test_a_phone_whose_host_is_away_is_refused_at_once_with_the_cause(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    thread = await calm_relay.attach(pair.phone)
    host = await calm_relay.attach(pair.host)
    await host.bye(notice=pb.CONDITION_ASLEEP)
    await thread.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_ASLEEP)

    async with TransferEnd(pair.phone, calm_relay.address) as phone:
        await phone.open(new_id())

        assert isinstance(await phone.ended(), errors.HostAsleep)


async def test_a_transfer_that_stands_still_is_ended(tmp_path: Path, carrier: str) -> None:
    async with Relay(tmp_path / "relay", carrier=carrier, settings=replace(QUICK, transfer_idle_ms=100)) as relay:
        phone, host = ends(relay, relay.pair())
        async with phone, host:
            transfer_id = new_id()
            await asyncio.gather(phone.open(transfer_id), host.open(transfer_id))

            assert isinstance(await phone.ended(), errors.LeaseLost)
            assert isinstance(await host.ended(), errors.LeaseLost)


async def test_who_reads_nothing_slows_the_other_down_and_the_relay_keeps_one_message(calm_relay: Relay) -> None:
    phone, host = ends(calm_relay, calm_relay.pair())
    sealed = bytes(65_573)
    said = 0

    async def pour() -> None:
        nonlocal said
        while said < MOST_BETWEEN:
            await phone.data(sealed)
            said += 1

    async with phone, host:
        await joined(phone, host)
        pouring = asyncio.create_task(pour())
        before = -1
        while before != said:  # until what lies between the two is full
            before = said
            await asyncio.sleep(0.5)
        # Buffers of gRPC and of the kernel, and nothing of ours: far less than would fit into a relay's memory.
        assert said < MOST_BETWEEN
        assert await host.heard() == sealed
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)


async def test_a_stream_without_end_is_ended_by_the_relay(tmp_path: Path, carrier: str) -> None:
    async with Relay(tmp_path / "relay", carrier=carrier, settings=replace(QUICK, transfer_bytes=1_000)) as relay:
        phone, host = ends(relay, relay.pair())
        async with phone, host:
            await joined(phone, host)
            await phone.data(bytes(1_000))
            assert await host.heard() == bytes(1_000)

            await phone.data(b"1")

            assert isinstance(await host.ended(), errors.TooLarge)
            assert await relay.metric(ENDS, reason="TOO_LARGE") == 1


async def test_a_message_that_is_too_large_or_no_word_of_a_transfer_ends_it(calm_relay: Relay) -> None:
    for wrong, error in (
        ({"data": transfer_pb2.Data(sealed=bytes(66_049))}, errors.TooLarge),
        ({"join": transfer_pb2.Join(transfer_id=bytes(16))}, errors.ProtocolViolation),
        ({}, errors.ProtocolViolation),
    ):
        phone, host = ends(calm_relay, calm_relay.pair())
        async with phone, host:
            await joined(phone, host)

            await phone.say(**wrong)

            assert isinstance(await host.ended(), error)


async def test_no_more_transfers_than_allowed_and_the_refusal_says_when_to_come_back(
    tmp_path: Path, carrier: str
) -> None:
    async with Relay(
        tmp_path / "relay", carrier=carrier, settings=replace(QUICK, transfers_of_pairing=1, transfers=2)
    ) as relay:
        pair, other, third = relay.pair(), relay.pair(), relay.pair()
        async with TransferEnd(pair.phone, relay.address) as phone, TransferEnd(other.phone, relay.address) as second:
            await phone.open(new_id())
            await relay.metric_above("dispatch_relay_transfers", 0)
            for device in (pair.host, third.phone):
                if device is third.phone:
                    await second.open(new_id())
                    await relay.metric_above("dispatch_relay_transfers", 1)
                async with TransferEnd(device, relay.address) as one_more:
                    await one_more.open(new_id())

                    refused = await one_more.ended()

                    assert isinstance(refused, errors.RateLimited)
                    assert refused.retry_after_ms > 0


async def test_an_end_that_is_taken_is_not_given_twice(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone, host = ends(calm_relay, pair)
    async with phone, host, TransferEnd(pair.phone, calm_relay.address) as thief:
        transfer_id = await joined(phone, host)

        await thief.open(transfer_id)

        assert isinstance(await thief.ended(), errors.ProtocolViolation)
        await host.data(b"goes on")
        assert await phone.heard() == b"goes on"


async def test_a_proof_that_was_made_for_another_transfer_or_for_a_thread_joins_none(calm_relay: Relay) -> None:
    device = calm_relay.pair().phone
    for proof in ("another transfer", "a thread"):
        async with TransferEnd(device, calm_relay.address) as thief:
            hello = device.hello()
            await thief.say(hello=hello)
            challenge = (await thief.hears("challenge")).challenge
            made = (
                device.prove(hello, challenge, dialled=calm_relay.address)
                if proof == "a thread"
                else device.prove_transfer(hello, challenge, dialled=calm_relay.address, transfer_id=new_id())
            )
            await thief.say(proof=made)
            await thief.say(join=transfer_pb2.Join(transfer_id=new_id()))

            assert isinstance(await thief.ended(), errors.ProofInvalid)


async def test_a_stolen_grant_joins_no_transfer(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    async with TransferEnd(calm_relay.pair().phone, calm_relay.address) as thief:
        await thief.open(new_id(), hello=pair.phone.hello())

        assert isinstance(await thief.ended(), errors.ProofInvalid)


@pytest.mark.parametrize("whose", ["phone", "host"])
async def test_revoking_a_device_cuts_its_transfers_and_lets_it_into_no_other(calm_relay: Relay, whose: str) -> None:
    pair = calm_relay.pair()
    phone, host = ends(calm_relay, pair)
    async with phone, host:
        await joined(phone, host)

        revoked = pair.phone if whose == "phone" else pair.host
        await calm_relay.trust.revoke(revoked.device_id)

        assert isinstance(await phone.ended(), errors.DeviceRevoked)
        assert isinstance(await host.ended(), errors.DeviceRevoked)
    async with TransferEnd(revoked, calm_relay.address) as again:
        with pytest.raises(errors.DeviceRevoked):
            await again.open(new_id())


async def test_the_end_of_a_pairing_cuts_its_transfers(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone, host = ends(calm_relay, pair)
    async with phone, host:
        await joined(phone, host)

        await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_HOST)

        assert isinstance(await phone.ended(), errors.NotPaired)


async def test_a_transfer_ends_with_the_grant_of_either_end(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone, host = ends(calm_relay, pair)
    async with phone, host:
        transfer_id = new_id()
        try:
            await phone.open(transfer_id, hello=pair.phone.hello(grant=pair.phone.grant(for_ms=1_500)))
            await host.open(transfer_id)
            told = await phone.ended()
        except errors.GrantExpired as refused:
            told = refused  # a machine that is so busy that the grant was over before it was shown

        assert isinstance(told, errors.GrantExpired)


async def test_a_relay_that_stops_asks_both_ends_to_come_back(tmp_path: Path, carrier: str) -> None:
    async with Relay(tmp_path / "relay", carrier=carrier, settings=replace(QUICK, drain_ms=60_000)) as relay:
        phone, host = ends(relay, relay.pair())
        async with phone, host:
            await joined(phone, host)

            stopping = asyncio.create_task(relay.stop())

            told = [await phone.ended(), await host.ended()]
            assert all(isinstance(error, errors.Draining) and error.retry_after_ms for error in told)
        await stopping


async def test_nothing_of_a_transfer_is_stored(calm_relay: Relay) -> None:
    phone, host = ends(calm_relay, calm_relay.pair())
    async with phone, host:
        await joined(phone, host)
        await phone.data(b"sealed bytes of a file" * 100)
        await host.heard()
        await phone.say(bye=pb.Bye())
        await host.ended()
    await calm_relay.stop()

    assert not [path for path in calm_relay.data.rglob("*") if path.is_file() and b"sealed bytes" in path.read_bytes()]
