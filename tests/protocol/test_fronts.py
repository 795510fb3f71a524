"""Two relays with one store: a device at either is at the room of its pairing, and nothing hangs or is decided twice.

What they have in common is in this process (tests/support/common_ground.py); tests/scale does the same with real servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.log import Decide
from dispatch_relay.sqlite.log import SqliteLog

from tests.support.common_ground import Ground, MemoryBus
from tests.support.device_end import DeviceEnd, Identity
from tests.support.relay import QUICK, Pair, Relay
from tests.support.transfer_end import TransferEnd
from tests.support.trust_service import new_id
from tests.support.waiting import DEADLINE_SECONDS, until, until_so

CHANNELS, ENDS = "dispatch_relay_channels", "dispatch_relay_channel_ends_total"


@dataclass(frozen=True, slots=True)
class Relays:
    """Two relays: `one` is where the test's host goes first, and so has the seat."""

    one: Relay
    two: Relay
    ground: Ground

    def bus(self, relay: Relay) -> MemoryBus:
        """Give the bus as a relay has it."""
        return self.ground.buses["relay-1" if relay is self.one else "relay-2"]

    async def apart(self) -> tuple[Pair, DeviceEnd, DeviceEnd]:
        """Give a pairing with its host at one and its phone at two."""
        pair = self.one.pair()
        host = await self.one.attach(pair.host)
        phone = await self.two.attach(pair.phone)
        await phone.presence(pb.REACHABILITY_REACHABLE)
        assert await self.two.metric(CHANNELS, side="front") == 1
        return pair, host, phone


@pytest.fixture
async def relays(tmp_path: Path) -> AsyncIterator[Relays]:
    """Run two relays that ask nobody anything while a test lasts."""
    calm = replace(QUICK, lease_ms=60_000, idle_ask_ms=60_000)
    log = await SqliteLog.open(
        tmp_path / "common.sqlite3", thread_bytes=1_000_000, on_commit=lambda _ops, _seconds: None
    )
    ground = Ground(log)
    try:
        async with (
            Relay(tmp_path / "one", settings=calm, kept=ground.kept) as one,
            Relay(tmp_path / "two", settings=calm, kept=ground.kept, beside=one) as two,
        ):
            yield Relays(one, two, ground)
    finally:
        await log.close()


async def back(relay: Relay, device: Identity, *, resume_after: int = 0) -> DeviceEnd:
    """Attach as a device does: again and again while it is asked to."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await relay.attach(device, resume_after=resume_after)
            except (errors.Draining, errors.TrustStale, errors.NoNetwork):
                await asyncio.sleep(0.02)  # as a device backs off


async def takes(host: DeviceEnd, phone: DeviceEnd, sealed: bytes = b"do this") -> bytes:
    """Let the phone post a command and the host take it; both hear the verdict."""
    message_id = await phone.post(sealed)
    await host.got("handover", lambda one: one.message_id == message_id)
    await host.say(take=pb.Take(message_id=message_id))
    await host.got("deliver", lambda one: one.message_id == message_id)
    await phone.receipt(message_id)
    return message_id


async def test_a_phone_and_a_host_at_two_relays_are_in_one_room(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    assert relays.ground.holder(pair.pair_id) == "relay-1"

    await takes(host, phone)
    await phone.say(live=pb.Live(sealed=b"hello!"))
    await host.say(live=pb.Live(sealed=b"hello yourself"))
    assert (await host.got("live")).live.sealed == b"hello!"
    assert (await phone.got("live")).live.sealed == b"hello yourself"
    await host.keep(b"x" * 60_000)
    await phone.got("deliver")
    assert await relays.one.metric("dispatch_relay_streams", kind="phone", carrier="grpc") == 1
    assert await relays.two.metric("dispatch_relay_streams", kind="phone", carrier="grpc") == 0

    await host.bye(notice=pb.CONDITION_ASLEEP)
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_ASLEEP)
    await phone.bye()
    await until_so(lambda: no_channels(relays.one))
    assert await relays.two.metric(ENDS, reason="peace") == 1


async def test_what_is_said_in_one_message_with_the_opening_reaches_the_seat(relays: Relays) -> None:
    pair = relays.one.pair()
    host = await relays.one.attach(pair.host)
    hello, end = pair.phone.hello(), DeviceEnd(relays.two.address)
    await end.say(hello=hello)
    challenge = (await end.got("challenge")).challenge
    message_id = sha256(b"at once").digest()[:16]
    post = pb.Post(message_id=message_id, task_id=new_id(), kind=pb.KIND_COMMAND, sealed=b"at once")
    await end.say(proof=pair.phone.prove(hello, challenge, dialled=relays.two.address), open=pb.Open(), post=post)
    await host.got("handover", lambda one: one.message_id == message_id)
    await end.drop()


async def test_a_front_refuses_in_the_words_of_the_seat(relays: Relays) -> None:
    pair = relays.one.pair()
    await relays.one.attach(pair.host)
    with pytest.raises(errors.ResumeTooOld):
        await relays.two.attach(pair.phone, resume_after=99)
    assert await relays.two.metric(CHANNELS, side="front") == 0


async def test_a_garbled_message_ends_the_stream_in_the_words_of_the_seat(relays: Relays) -> None:
    _, _, phone = await relays.apart()
    await phone.write(b"\xff\xff\xff")
    assert isinstance(await phone.ended(), errors.ProtocolViolation)


async def test_a_device_that_lost_its_rights_is_cut_at_once_by_either_relay(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    await relays.one.trust.revoke(pair.phone.device_id)
    assert isinstance(await phone.ended(), errors.DeviceRevoked)
    with pytest.raises(errors.DeviceRevoked):
        await relays.two.attach(pair.phone)
    assert not host.closed


async def test_a_pairing_that_ended_is_erased_once_and_both_hear_whose_word_it_was(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    await takes(host, phone)
    await relays.one.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_HOST)
    assert isinstance(await phone.ended(), errors.HostRevoked)
    assert isinstance(await host.ended(), errors.NotPaired)
    await until(lambda: relays.ground.holder(pair.pair_id) is None)
    thread = await relays.ground.log.thread(pair.pair_id)  # type: ignore[arg-type]  # bytes are an id
    assert (thread.head_seq, dict(thread.presence)) == (0, {})
    assert await relays.one.metric("dispatch_relay_hosts", state="revoked") == 0
    assert relays.ground.refused == []


async def test_a_pairing_whose_relay_died_is_erased_by_another(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    await takes(host, phone)
    relays.bus(relays.one).deaf = True
    relays.ground.living.discard("relay-1")
    await relays.one.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)

    async def erased() -> bool:
        return (await relays.ground.log.thread(pair.pair_id)).head_seq == 0  # type: ignore[arg-type]  # as above

    await until_so(erased)


async def test_a_relay_that_stops_hands_its_rooms_to_the_other(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    await takes(host, phone)
    stopping = asyncio.create_task(relays.one.stop())
    for end in (host, phone):
        await end.got("draining")
        await end.drop()

    host, phone = await asyncio.gather(back(relays.two, pair.host), back(relays.two, pair.phone))
    await stopping
    assert relays.ground.holder(pair.pair_id) == "relay-2"
    await takes(host, phone, b"and this")
    assert relays.ground.refused == []


async def test_a_front_that_stops_asks_its_devices_to_leave(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    stopping = asyncio.create_task(relays.two.stop())
    await phone.got("draining")
    await phone.drop()
    await stopping
    phone = await back(relays.one, pair.phone)
    await takes(host, phone)


async def test_without_the_bus_only_devices_whose_seat_is_elsewhere_are_sent_away(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    relays.bus(relays.two).cut()
    gone = await phone.ended()
    assert isinstance(gone, errors.Draining)
    assert 0 < gone.retry_after_ms <= 1_000
    with pytest.raises(errors.Draining):
        await relays.two.attach(pair.phone)
    other = relays.two.pair()
    await takes(await relays.two.attach(other.host), await relays.two.attach(other.phone))
    await until_so(lambda: no_channels(relays.one))

    relays.bus(relays.two).back()
    phone = await back(relays.two, pair.phone)
    await takes(host, phone)
    assert await relays.two.metric(ENDS, reason="bus") == 1


async def no_channels(relay: Relay) -> bool:
    return await relay.metric(CHANNELS, side="seat") == 0


async def test_a_word_that_the_bus_lost_ends_the_stream_and_nothing_is_lost(relays: Relays) -> None:
    pair, host, phone = await relays.apart()
    relays.bus(relays.two).loses = 1
    lost = await phone.post(b"never arrives")
    await phone.post(b"has a number too high")
    assert isinstance(await phone.ended(), errors.Draining)
    phone = await back(relays.two, pair.phone)
    assert await phone.post(b"never arrives") == lost
    await host.got("handover", lambda one: one.message_id == lost)
    assert await relays.one.metric(ENDS, reason="gap") == 1


async def test_a_bus_that_garbles_ends_the_stream(relays: Relays) -> None:
    _, _, phone = await relays.apart()
    relays.bus(relays.two).garbles = True
    for number in range(3):
        await phone.post(b"%d" % number)  # the last has a number that is too high
    ended = await phone.ended()
    assert isinstance(ended, (errors.Draining, errors.ProtocolViolation))


async def test_a_relay_that_stands_still_loses_its_channels_and_its_seat_and_writes_nothing_more(
    relays: Relays,
) -> None:
    pair, host, phone = await relays.apart()
    relays.bus(relays.one).deaf = True
    assert isinstance(await phone.ended(), errors.Draining)
    assert await relays.two.metric(ENDS, reason="silent") == 1
    relays.ground.living.discard("relay-1")  # the database says so

    phone = await back(relays.two, pair.phone)
    assert relays.ground.holder(pair.pair_id) == "relay-2"
    await host.keep(b"to the relay that lost the seat")
    assert isinstance(await host.ended(), errors.Draining)
    assert await relays.one.metric("dispatch_relay_seats_lost_total") == 1
    assert len(relays.ground.refused) == 1

    host = await back(relays.two, pair.host)
    await takes(host, phone)
    thread = await relays.ground.log.thread(pair.pair_id)  # type: ignore[arg-type]  # bytes are an id
    assert thread.head_seq == 1, "what it wrote without the seat is not there"


async def test_a_command_that_waits_outlives_its_relay(relays: Relays) -> None:
    """Nobody of the pairing is anywhere: the relay that is left adopts it and ends the waiting."""
    pair, _, phone = await relays.apart()
    message_id = await phone.post(b"who does this?", valid_for_ms=60_000)
    await phone.got("handed_over")
    relays.ground.living.discard("relay-1")
    relays.bus(relays.one).deaf = True
    await phone.drop()
    await until(lambda: relays.ground.holder(pair.pair_id) == "relay-2")
    # Its host does not come back within the grace of a restart, so the command is refused, once, by the new relay.
    phone = await back(relays.two, pair.phone)
    refusal = await phone.refusal(message_id)
    assert refusal.reason == Reason.REASON_HOST_UNREACHABLE
    assert not [op for op in relays.ground.refused if isinstance(op, Decide) and op.event.name == "TAKEN"]


async def test_hosts_are_counted_once(relays: Relays) -> None:
    await relays.apart()
    other = relays.two.pair()
    await relays.two.attach(other.host)
    hosts = [await relay.metric("dispatch_relay_hosts", state="reachable") for relay in (relays.one, relays.two)]
    assert hosts == [1, 1]
    assert [await relay.metric("dispatch_relay_seats") for relay in (relays.one, relays.two)] == [1, 1]


async def test_who_leaves_an_empty_room_gives_the_seat_back(relays: Relays) -> None:
    pair = relays.one.pair()
    phone = await relays.one.attach(pair.phone)
    assert relays.ground.holder(pair.pair_id) == "relay-1"
    await phone.bye()
    await until(lambda: relays.ground.holder(pair.pair_id) is None)
    assert await relays.one.metric("dispatch_relay_seats") == 0
    assert await relays.one.metric("dispatch_relay_hosts", state="never_connected") == 0
    await relays.two.attach(pair.phone)
    assert relays.ground.holder(pair.pair_id) == "relay-2"


@pytest.mark.parametrize("with_thread", [True, False])
async def test_the_ends_of_a_transfer_meet_at_the_seat(relays: Relays, *, with_thread: bool) -> None:
    pair = relays.one.pair()
    if with_thread:
        await relays.one.attach(pair.host)
    transfer_id = new_id()
    phone, host = TransferEnd(pair.phone, relays.two.address), TransferEnd(pair.host, relays.one.address)
    async with phone, host:
        await asyncio.gather(phone.join(transfer_id), host.join(transfer_id))

        async def say() -> None:
            for number in range(40):
                await phone.data(b"%d" % number + b"x" * 60_000)

        saying = asyncio.create_task(say())
        assert [int((await host.heard()).rstrip(b"x")) for _ in range(40)] == list(range(40))
        await saying
        await host.data(b"have")
        assert await phone.heard() == b"have"
        await host.say(bye=pb.Bye())
        assert [await phone.ended(), await host.ended()] == [None, None]
    if not with_thread:
        await until(lambda: relays.ground.holder(pair.pair_id) is None)


async def test_a_transfer_ends_for_both_when_its_channel_is_lost(relays: Relays) -> None:
    pair = relays.one.pair()
    await relays.one.attach(pair.host)
    transfer_id = new_id()
    phone, host = TransferEnd(pair.phone, relays.two.address), TransferEnd(pair.host, relays.one.address)
    async with phone, host:
        await asyncio.gather(phone.join(transfer_id), host.join(transfer_id))
        relays.bus(relays.two).cut()
        assert isinstance(await phone.ended(), errors.Draining)
        assert isinstance(await host.ended(), errors.PeerAbsent)
