"""What an open stream carries, also across a restart of the relay, and when the phone is called instead."""

from __future__ import annotations

import asyncio
from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.channel import dial
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support.relay import Relay
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS


async def test_live_frames_reach_the_peer_or_are_refused(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone = await calm_relay.attach(pair.phone)
    await phone.say(live=pb.Live(sealed=b"hello?"))
    refusal = (await phone.got("refusal")).refusal
    assert (refusal.reason, refusal.message_id) == (Reason.REASON_PEER_ABSENT, b"")
    host = await calm_relay.attach(pair.host)
    await phone.say(live=pb.Live(sealed=b"hello!"))
    await host.say(live=pb.Live(sealed=b"hello yourself"))
    assert (await host.got("live")).live.sealed == b"hello!"
    assert (await phone.got("live")).live.sealed == b"hello yourself"
    await phone.say(live=pb.Live(sealed=b"x" * 70_000))
    await phone.got("refusal", lambda one: one.reason == Reason.REASON_TOO_LARGE)


async def test_acks_are_told_to_the_peer_now_and_later(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    await host.keep(b"news")
    await phone.got("deliver")
    await phone.say(ack=pb.Ack(through_seq=1))
    await host.got("peer_ack", lambda one: one.through_seq == 1)
    await calm_relay.stop()
    await calm_relay.start()
    again = await calm_relay.attach(pair.host, resume_after=1)
    await again.got("peer_ack", lambda one: one.through_seq == 1)


async def test_a_slow_reader_is_sent_all_of_a_long_thread_in_order(calm_relay: Relay) -> None:
    """More than fits into one message, and more than is kept in memory."""
    await calm_relay.stop()
    await calm_relay.start(posts_per_second=10_000, batch_bytes=200_000)
    pair = calm_relay.pair()
    host = await calm_relay.attach(pair.host)
    for number in range(400):
        await host.keep(number.to_bytes(2, "big") * 2_000)
    await host.until(lambda: len(host.rows()) == 400)
    phone = await calm_relay.attach(pair.phone)
    await phone.until(lambda: len(phone.rows()) == 400)
    assert phone.rows() == list(range(1, 401))
    assert [one.sealed[:2] for one in phone.all("deliver")] == [number.to_bytes(2, "big") for number in range(400)]


async def test_a_row_with_a_hint_is_pushed_unless_somebody_looks(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host = await calm_relay.attach(pair.host)
    await host.receipt(await host.keep(b"nobody there", push_hint=pb.PUSH_HINT_NEWS))
    phone = await calm_relay.attach(pair.phone, looking=True)
    await host.receipt(await host.keep(b"looking", push_hint=pb.PUSH_HINT_NEWS))
    await phone.say(looking=pb.Looking(looking=False), ack=pb.Ack(through_seq=1))
    await host.got("peer_ack")
    await host.receipt(await host.keep(b"not looking", push_hint=pb.PUSH_HINT_QUESTION))
    await host.receipt(await host.keep(b"no hint"))
    assert [hint for _, hint in calm_relay.push.calls] == [pb.PUSH_HINT_NEWS, pb.PUSH_HINT_QUESTION]
    assert await calm_relay.metric("dispatch_relay_pushes_total", outcome="sent") == 2
    assert await calm_relay.metric("dispatch_relay_pushes_total", outcome="suppressed_looking") == 1


async def test_devices_are_asked_to_come_back_when_the_relay_stops_and_nobody_is_called_absent(
    calm_relay: Relay,
) -> None:
    await calm_relay.start_again(drain_ms=3_000)  # within which the host's goodbye is to be read
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    stopping = asyncio.create_task(calm_relay.stop())
    for end in (host, phone):
        await end.got("draining", lambda one: one.reconnect_in_ms <= 1_500)
    await host.bye()
    assert isinstance(await phone.ended(), errors.Draining)
    await stopping
    await calm_relay.start(restart_grace_ms=60_000)
    phone = await calm_relay.attach(pair.phone)
    await phone.presence(pb.REACHABILITY_RECONNECTING)
    message_id = await phone.post(b"do it")
    host = await calm_relay.attach(pair.host)
    await host.got("handover", lambda one: one.message_id == message_id)


async def test_what_was_pending_is_pending_after_a_restart_and_not_for_longer(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    taken, late = await phone.post(b"taken"), await phone.post(b"late", valid_for_ms=5_000)
    await host.got("handover", lambda one: one.message_id == late)
    await relay.stop()
    await relay.start(restart_grace_ms=60_000)
    phone = await relay.attach(pair.phone)
    assert set((await phone.got("opened")).opened.pending_message_ids) <= {taken, late}
    host = await relay.attach(pair.host)
    await host.got("handover", lambda one: one.message_id == taken)
    await host.say(take=pb.Take(message_id=taken))
    await phone.receipt(taken)
    await phone.refusal(late)


async def test_reflection_names_the_service(calm_relay: Relay) -> None:
    async with dial(calm_relay.grpc_address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type] # typed as blocking only
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await call.read()
    names = {service.name for service in answer.list_services_response.service}
    assert "dispatch.api.relay.v1.ThreadService" in names
