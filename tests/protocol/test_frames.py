"""What a device may not say on an open stream, or not so much of: its post is refused, or its stream ends."""

from __future__ import annotations

from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.encoding import message_id as sealed_id

from tests.support.relay import Relay
from tests.support.trust_service import new_id
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS

HOSTILE: dict[str, pb.AttachRequest] = {
    "an unset frame": pb.AttachRequest(frames=[pb.DeviceFrame()]),
    "a second hello": pb.AttachRequest(frames=[pb.DeviceFrame(hello=pb.Hello())]),
    "a second open": pb.AttachRequest(frames=[pb.DeviceFrame(open=pb.Open())]),
    "an ack of the future": pb.AttachRequest(frames=[pb.DeviceFrame(ack=pb.Ack(through_seq=2**64 - 1))]),
    "a host's take": pb.AttachRequest(frames=[pb.DeviceFrame(take=pb.Take(message_id=b"1" * 16))]),
    "a host's notice": pb.AttachRequest(frames=[pb.DeviceFrame(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))]),
    "too many frames": pb.AttachRequest(frames=[pb.DeviceFrame(pong=pb.Pong())] * 300),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_frame_that_makes_no_sense_ends_the_stream_and_harms_nobody_else(calm_relay: Relay, what: str) -> None:
    pair, others = calm_relay.pair(), calm_relay.pair()
    phone, other = await calm_relay.attach(pair.phone), await calm_relay.attach(others.phone)
    await phone.write(HOSTILE[what].SerializeToString())
    assert isinstance(await phone.ended(), errors.ProtocolViolation)
    assert await other.refusal(await other.post(b"still here"))
    assert await (await calm_relay.attach(pair.phone)).got("opened")


async def test_a_host_that_changes_its_mind_without_end_is_cut_off_before_it_fills_anybodys_queue(
    calm_relay: Relay,
) -> None:
    pair = calm_relay.pair()
    host = await calm_relay.attach(pair.host)
    host.frozen = True  # an answer that is under way as its stream ends would be the stream's end
    phone = await calm_relay.attach(pair.phone)
    moods = [pb.CONDITION_ASLEEP, pb.CONDITION_AWAKE]
    flood = [pb.DeviceFrame(notice=pb.Notice(condition=moods[number % 2])) for number in range(200)]

    await host.write(pb.AttachRequest(frames=flood).SerializeToString())

    assert isinstance(await host.ended(), errors.ProtocolViolation)
    looking_again = await calm_relay.attach(pair.phone)
    await looking_again.presence(pb.REACHABILITY_RECONNECTING)
    await phone.ended()
    assert len(phone.all("presence")) < 10


@pytest.mark.parametrize("word", ["take", "decline"])
async def test_a_host_s_word_about_a_message_with_an_id_of_any_length_ends_its_stream(
    calm_relay: Relay, word: str
) -> None:
    host = await calm_relay.attach(calm_relay.pair().host)

    await host.say(**{word: {"message_id": bytes(1_000_000)}})

    assert isinstance(await host.ended(), errors.ProtocolViolation)


async def test_garbage_on_an_open_stream_ends_it(calm_relay: Relay) -> None:
    phone = await calm_relay.attach(calm_relay.pair().phone)
    await phone.write(b"\x0a\xff\xff\xff")
    assert isinstance(await phone.ended(), errors.ProtocolViolation)


POSTS: dict[str, tuple[str, Reason.ValueType, dict[str, Any]]] = {
    "too large": ("phone", Reason.REASON_TOO_LARGE, {"sealed": b"x" * 70_000}),
    "a keep row of a phone": ("phone", Reason.REASON_PROTOCOL_VIOLATION, {"kind": pb.KIND_KEEP}),
    "a command of a host": ("host", Reason.REASON_PROTOCOL_VIOLATION, {"kind": pb.KIND_COMMAND}),
    "no kind": ("phone", Reason.REASON_PROTOCOL_VIOLATION, {"kind": pb.KIND_UNSPECIFIED}),
    "a short id": ("phone", Reason.REASON_PROTOCOL_VIOLATION, {"message_id": b"1"}),
    "another message's id": ("phone", Reason.REASON_PROTOCOL_VIOLATION, {"message_id": b"1" * 16}),
    "no task": ("phone", Reason.REASON_PROTOCOL_VIOLATION, {"task_id": b""}),
    "a phone's outcome": ("phone", Reason.REASON_PROTOCOL_VIOLATION, {"outcome": pb.OUTCOME_DONE}),
    "an outcome of no task": ("host", Reason.REASON_PROTOCOL_VIOLATION, {"outcome": pb.OUTCOME_DONE, "task_id": b""}),
    "an unknown outcome": ("host", Reason.REASON_PROTOCOL_VIOLATION, {"outcome": 99}),
    "nothing to keep": ("host", Reason.REASON_PROTOCOL_VIOLATION, {"sealed": b"", "task_id": b""}),
    "a call for nothing": (
        "host",
        Reason.REASON_PROTOCOL_VIOLATION,
        {"sealed": b"", "push_hint": pb.PUSH_HINT_NEWS},
    ),
}


@pytest.mark.parametrize("what", POSTS)
async def test_a_post_that_is_not_right_is_refused_at_the_door_and_the_stream_goes_on(
    calm_relay: Relay, what: str
) -> None:
    pair = calm_relay.pair()
    role, reason, change = POSTS[what]
    device = pair.phone if role == "phone" else pair.host
    end = await calm_relay.attach(device)
    fields: dict[str, Any] = {
        "task_id": b"t" * 16,
        "kind": pb.KIND_COMMAND if role == "phone" else pb.KIND_KEEP,
        "sealed": b"right",
    }
    fields.update(change)
    fields.setdefault("message_id", sealed_id(fields["sealed"]))

    await end.say(post=pb.Post(**fields))

    refusal = await end.refusal(fields["message_id"])
    assert (refusal.reason, refusal.seq) == (reason, 0)
    again = await calm_relay.attach(device)
    assert (await again.got("opened")).opened.head_seq == 0


async def test_posts_and_live_frames_have_a_rate(calm_relay: Relay) -> None:
    await calm_relay.stop()
    await calm_relay.start(posts_per_second=2, live_per_second=2)
    pair = calm_relay.pair()
    phone, host = await calm_relay.attach(pair.phone), await calm_relay.attach(pair.host)
    for number in range(40):
        await host.keep(bytes([number + 1]))
        await phone.say(live=pb.Live(sealed=b"live"))
    for end in (host, phone):
        refusal = (await end.got("refusal")).refusal
        assert refusal.reason == Reason.REASON_RATE_LIMITED
        assert 0 < refusal.retry_after_ms <= 500


async def test_commands_that_wait_are_bounded(calm_relay: Relay) -> None:
    await calm_relay.stop()
    await calm_relay.start(pending_commands=2)
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    for text in (b"one", b"two"):
        message_id = await phone.post(text)
        await host.got("handover", lambda one, m=message_id: one.message_id == m)  # type: ignore[misc]
    refusal = await phone.refusal(await phone.post(b"three"))
    assert (refusal.reason, refusal.seq) == (Reason.REASON_RATE_LIMITED, 0)


async def test_tasks_that_are_not_over_are_bounded(calm_relay: Relay) -> None:
    """A host that accepts and never ends anything fills nothing, and a new task is refused with what to do."""
    await calm_relay.stop()
    await calm_relay.start(open_tasks=2)
    pair, ids = calm_relay.pair(), [new_id() for _ in range(4)]
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)

    async def accepted(text: bytes, task_id: bytes) -> None:
        message_id = await phone.post(text, task_id=task_id)
        await host.got("handover", lambda one: one.message_id == message_id)
        await host.say(take=pb.Take(message_id=message_id))
        await phone.receipt(message_id)

    await accepted(b"one", ids[0])
    await accepted(b"two", ids[1])
    refusal = await phone.refusal(await phone.post(b"three", task_id=ids[2]))
    assert (refusal.reason, refusal.seq) == (Reason.REASON_QUEUE_FULL, 0)
    await accepted(b"a cancel", ids[0])

    await host.receipt(await host.keep(b"the end", task_id=ids[0], outcome=pb.OUTCOME_DONE))
    await accepted(b"three again", ids[2])

    await host.bye(notice=pb.CONDITION_ASLEEP)
    await phone.presence(pb.REACHABILITY_ABSENT)
    asleep = await phone.refusal(await phone.post(b"four", task_id=ids[3]))
    assert asleep.reason == Reason.REASON_HOST_ASLEEP
