"""Opening a stream, and everything that is refused there or ends a stream later."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.channel import dial
from dispatch.encoding import message_id as sealed_id
from dispatch_relay.trust_store import TrustStore
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support.device_end import DeviceEnd, Identity
from tests.support.relay import Relay
from tests.support.trust_service import HOUR_MS, new_id
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS


def _garbled(grant: bytes, change: Callable[[pairing_pb2.SignedGrant], None]) -> bytes:
    signed = pairing_pb2.SignedGrant.FromString(grant)
    change(signed)
    return signed.SerializeToString()


def _stretch(signed: pairing_pb2.SignedGrant) -> None:
    grant = pairing_pb2.Grant.FromString(signed.grant)
    grant.not_after_ms += HOUR_MS
    signed.grant = grant.SerializeToString()


def _sign_with_another_key(signed: pairing_pb2.SignedGrant) -> None:
    signed.signature = Ed25519PrivateKey.generate().sign(signed.grant)


HELLOS: dict[str, tuple[type[errors.DispatchError], Callable[[Identity], dict[str, Any]]]] = {
    "an expired grant": (errors.GrantExpired, lambda d: {"grant": d.grant(from_ms=-2 * HOUR_MS)}),
    "a grant of the future": (errors.GrantExpired, lambda d: {"grant": d.grant(from_ms=HOUR_MS)}),
    "a stretched grant": (errors.ProofInvalid, lambda d: {"grant": _garbled(d.grant(), _stretch)}),
    "a stranger's grant": (errors.ProofInvalid, lambda d: {"grant": _garbled(d.grant(), _sign_with_another_key)}),
    "no grant": (errors.ProofInvalid, lambda d: {"grant": b""}),
    "garbage for a grant": (errors.ProofInvalid, lambda d: {"grant": b"\xff" * 99}),
    "another device's grant": (
        errors.ProofInvalid, lambda d: {"grant": Identity(d.role, d.pair_id, d.trust).grant()}
    ),
    "another kind": (errors.ProofInvalid, lambda d: {"device_kind": pb.DEVICE_KIND_HOST}),
    "a version to come": (errors.VersionUnsupported, lambda d: {"protocol_versions": [2, 3]}),
    "a short nonce": (errors.ProtocolViolation, lambda d: {"nonce": b"1"}),
    "no instance": (errors.ProtocolViolation, lambda d: {"instance": b""}),
}  # fmt: skip


@pytest.mark.parametrize("what", HELLOS)
async def test_a_hello_that_is_not_right_is_refused(calm_relay: Relay, what: str) -> None:
    phone = calm_relay.pair().phone
    kind, change = HELLOS[what]
    with pytest.raises(kind):
        await calm_relay.attach(phone, hello=phone.hello(**change(phone)))


async def test_only_the_key_of_the_grant_proves_the_device(calm_relay: Relay) -> None:
    phone = calm_relay.pair().phone
    hello = phone.hello()
    phone.key = Ed25519PrivateKey.generate()
    with pytest.raises(errors.ProofInvalid):
        await calm_relay.attach(phone, hello=hello)


async def test_a_proof_for_another_address_proves_nothing_here(calm_relay: Relay) -> None:
    phone = calm_relay.pair().phone
    with pytest.raises(errors.ProofInvalid):
        await DeviceEnd.attach(phone, calm_relay.address, dialled="relay.example:7302")


async def test_a_proof_is_good_for_one_stream_only(calm_relay: Relay) -> None:
    """Each stream has a nonce of its own: what was signed for one is nothing to the next."""
    phone = calm_relay.pair().phone
    hello = phone.hello()
    first, second = DeviceEnd(calm_relay.address), DeviceEnd(calm_relay.address)
    for end in (first, second):
        await end.say(hello=hello)
    challenge = (await first.got("challenge")).challenge
    await second.got("challenge")
    proof = phone.prove(hello, challenge, dialled=calm_relay.address)
    await second.say(proof=proof, open=pb.Open())
    assert isinstance(await second.ended(), errors.ProofInvalid)
    await first.say(proof=proof, open=pb.Open())
    await first.got("opened")
    await first.drop()


@pytest.mark.parametrize("what", ["open", "post", "unset", "garbage", "hello twice"])
async def test_an_opening_in_another_order_breaks_the_protocol(calm_relay: Relay, what: str) -> None:
    phone = calm_relay.pair().phone
    end = DeviceEnd(calm_relay.address)
    if what == "hello twice":
        await end.say(hello=phone.hello())
        await end.say(hello=phone.hello())
    elif what == "garbage":
        await end.write(os.urandom(64) + b"\xff")
    elif what == "unset":
        await end.write(pb.AttachRequest(frames=[pb.DeviceFrame()]).SerializeToString())
    else:
        await end.say(**{what: {"open": pb.Open(), "post": pb.Post()}[what]})
    assert isinstance(await end.ended(), errors.ProtocolViolation)


async def test_who_says_nothing_is_not_waited_for(calm_relay: Relay) -> None:
    await calm_relay.stop()
    await calm_relay.start(hello_ms=200)
    end = DeviceEnd(calm_relay.address)
    await end.say(hello=calm_relay.pair().phone.hello())
    assert isinstance(await end.ended(), errors.ProtocolViolation)


async def test_superseded(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone = await calm_relay.attach(pair.phone)
    first = await calm_relay.attach(pair.host)
    await phone.presence(pb.REACHABILITY_REACHABLE)

    second = await calm_relay.attach(pair.host)

    assert isinstance(await first.ended(), errors.StreamSuperseded)
    message_id = await phone.post(b"do it")
    await second.got("handover", lambda one: one.message_id == message_id)
    assert [one.state for one in phone.all("presence")] == [pb.REACHABILITY_ABSENT, pb.REACHABILITY_REACHABLE]


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
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
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
    for number in range(8):
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


# ---- trust


async def test_a_pairing_that_ends_ends_its_streams_and_leaves_nothing(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    await host.receipt(await host.keep(b"secret of old"))
    await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    for end in (host, phone):
        assert isinstance(await end.ended(), errors.NotPaired)
    for device in (pair.host, pair.phone):
        with pytest.raises(errors.NotPaired):
            await calm_relay.attach(device)
    await calm_relay.stop()
    for file in calm_relay.data.iterdir():
        assert b"secret of old" not in file.read_bytes()
    await calm_relay.start()
    with pytest.raises(errors.NotPaired):
        await calm_relay.attach(pair.phone)


async def test_what_waits_is_refused_when_the_host_ends_the_pairing(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
    await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_HOST)
    assert (await phone.refusal(message_id)).reason == Reason.REASON_HOST_REVOKED
    assert isinstance(await phone.ended(), errors.HostRevoked)
    assert phone.all("presence")[-1].cause == Reason.REASON_HOST_REVOKED
    with pytest.raises(errors.HostRevoked):
        await calm_relay.attach(pair.phone)
    with pytest.raises(errors.NotPaired):
        await calm_relay.attach(pair.host)
    assert await calm_relay.metric("dispatch_relay_host_offline_failures_total", cause="revoked") == 1


async def test_a_revoked_device_is_cut_off_and_stays_out(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    await calm_relay.trust.revoke(pair.host.device_id)
    assert isinstance(await host.ended(), errors.DeviceRevoked)
    assert (await phone.refusal(await phone.post(b"do it"))).reason == Reason.REASON_HOST_REVOKED
    with pytest.raises(errors.DeviceRevoked):
        await calm_relay.attach(pair.host)


@pytest.mark.parametrize("which", ["phone", "host"])
async def test_a_revoked_device_and_its_peer_are_told_what_is_true_of_them(which: str, calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    revoked, role = (pair.phone, pb.DEVICE_KIND_PHONE) if which == "phone" else (pair.host, pb.DEVICE_KIND_HOST)

    await calm_relay.trust.revoke_paired(revoked.device_id, pair.pair_id, role=role)

    on_phone, on_host = await phone.ended(), await host.ended()
    assert (type(on_phone), type(on_host)) == (
        (errors.DeviceRevoked, errors.NotPaired) if which == "phone" else (errors.HostRevoked, errors.DeviceRevoked)
    )
    for device, error in ((pair.phone, on_phone), (pair.host, on_host)):
        assert error is not None
        with pytest.raises(type(error)):
            await calm_relay.attach(device)


async def test_a_device_that_was_revoked_while_the_relay_was_down_is_not_let_in(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    await (await calm_relay.attach(pair.phone)).drop()
    await calm_relay.stop()
    await calm_relay.trust.revoke(pair.phone.device_id)

    await calm_relay.start()

    await _until_refused(calm_relay, pair.phone, errors.DeviceRevoked)


async def test_a_device_that_is_revoked_while_it_opens_its_stream_is_cut_off_or_not_let_in(calm_relay: Relay) -> None:
    pair, other = calm_relay.pair(), await calm_relay.attach(calm_relay.pair().phone)
    opening = [asyncio.create_task(calm_relay.attach(pair.phone)) for _ in range(8)]

    await calm_relay.trust.revoke(pair.phone.device_id)

    for attempt in opening:
        try:
            ended = await (await attempt).ended()
        except errors.DispatchError as refused:
            ended = refused
        assert isinstance(ended, errors.DeviceRevoked | errors.StreamSuperseded)
    await _until_refused(calm_relay, pair.phone, errors.DeviceRevoked)
    assert await other.refusal(await other.post(b"still here"))


async def test_a_relay_that_starts_again_knows_how_old_its_trust_is(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    await calm_relay.stop()
    store = TrustStore(calm_relay.data / "trust.sqlite3")
    store.keep_heard(store.load().heard_ms - 1_000 * calm_relay.settings.trust_stale_seconds)
    address = calm_relay.trust.address
    await calm_relay.trust.close()
    await calm_relay.start(until_serving=False)

    with pytest.raises(errors.TrustStale):
        await calm_relay.attach(pair.phone)
    assert await calm_relay.metric("dispatch_relay_trust_age_seconds") > calm_relay.settings.trust_stale_seconds

    await calm_relay.trust.listen(address)
    await calm_relay.serving()
    assert await calm_relay.attach(pair.phone)


async def test_a_stream_ends_with_its_grant_and_a_fresh_one_opens_the_next(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    grant = pair.phone.grant(for_ms=4_000)
    phone = await calm_relay.attach(pair.phone, hello=pair.phone.hello(grant=grant))

    assert isinstance(await phone.ended(), errors.GrantExpired)

    with pytest.raises(errors.GrantExpired):
        await calm_relay.attach(pair.phone, hello=pair.phone.hello(grant=grant))
    await calm_relay.attach(pair.phone)


async def test_nobody_is_let_in_before_the_trust_is_known(calm_relay: Relay) -> None:
    await calm_relay.stop()
    for file in calm_relay.data.glob("trust*"):
        file.unlink()
    calm_relay.trust.silent.set()
    await calm_relay.start(until_serving=False)
    with pytest.raises(errors.TrustStale):
        await calm_relay.attach(calm_relay.pair().phone)


async def test_kept_keys_let_people_in_while_the_pairing_service_is_away(calm_relay: Relay) -> None:
    await calm_relay.stop()
    await calm_relay.trust.close()
    await calm_relay.start()
    assert await calm_relay.attach(calm_relay.pair().phone)
    await calm_relay.trust.listen(calm_relay.trust.address)


async def test_trust_that_is_too_old_lets_nobody_in_and_keeps_who_is_there(calm_relay: Relay) -> None:
    await calm_relay.stop()
    await calm_relay.start(trust_stale_seconds=3)
    calm_relay.trust.silent.set()
    pair = calm_relay.pair()
    phone = await calm_relay.attach(pair.phone)
    await calm_relay.serving(False)
    with pytest.raises(errors.TrustStale):
        await calm_relay.attach(pair.host)
    assert await phone.refusal(await phone.post(b"still here"))


async def test_a_new_key_counts_if_an_old_one_vouches_for_it(calm_relay: Relay) -> None:
    await calm_relay.trust.rotate()
    await _until_attached(calm_relay, calm_relay.pair().phone)


async def test_a_new_key_that_nobody_vouches_for_counts_for_nothing(calm_relay: Relay) -> None:
    await calm_relay.trust.rotate(vouched=False)
    await calm_relay.trust.asked_again()  # it has refused the keys and come back
    with pytest.raises(errors.ProofInvalid):
        await calm_relay.attach(calm_relay.pair().phone)


async def test_the_feed_goes_on_after_the_pairing_service_restarts(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone = await calm_relay.attach(pair.phone)
    address = calm_relay.trust.address
    await calm_relay.trust.close()
    await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    await calm_relay.trust.listen(address)
    assert isinstance(await phone.ended(), errors.NotPaired)
    asked = {(one.relay_address, one.web_address) for one in calm_relay.trust.asked}
    assert asked == {(calm_relay.grpc_address, calm_relay.web_address)}


async def test_a_service_restored_from_a_backup_is_heard_from_the_beginning(calm_relay: Relay) -> None:
    first, second = calm_relay.pair(), calm_relay.pair()
    phone = await calm_relay.attach(first.phone)
    for pair in (calm_relay.pair(), calm_relay.pair(), first):
        await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    await phone.ended()
    address = calm_relay.trust.address
    await calm_relay.trust.close()
    calm_relay.trust.ended.clear()
    calm_relay.trust.sequence = 0
    phone = await calm_relay.attach(second.phone)
    await calm_relay.trust.end_pairing(second.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    await calm_relay.trust.listen(address)
    assert isinstance(await phone.ended(), errors.NotPaired)
    with pytest.raises(errors.NotPaired):
        await calm_relay.attach(first.phone)


async def _until_attached(relay: Relay, device: Identity) -> DeviceEnd:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await relay.attach(device)
            except errors.ProofInvalid:
                await asyncio.sleep(0.01)


# ---- the process


async def test_devices_are_asked_to_come_back_when_the_relay_stops_and_nobody_is_called_absent(
    calm_relay: Relay,
) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    stopping = asyncio.create_task(calm_relay.stop())
    for end in (host, phone):
        await end.got("draining", lambda one: one.reconnect_in_ms <= 300)
    await host.bye()
    assert isinstance(await phone.ended(), errors.Draining)
    await stopping
    await calm_relay.start()
    phone = await calm_relay.attach(pair.phone)
    await phone.presence(pb.REACHABILITY_RECONNECTING)
    message_id = await phone.post(b"do it")
    host = await calm_relay.attach(pair.host)
    await host.got("handover", lambda one: one.message_id == message_id)


async def test_what_was_pending_is_pending_after_a_restart_and_not_for_longer(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    taken, late = await phone.post(b"taken"), await phone.post(b"late", valid_for_ms=1_000)
    await host.got("handover", lambda one: one.message_id == late)
    await relay.stop()
    await relay.start()
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


# ---- push


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


async def _until_refused(relay: Relay, device: Identity, kind: type[errors.DispatchError]) -> None:
    """Attach until the relay refuses, which it does as soon as it has heard; whoever got in before is cut off."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                await (await relay.attach(device)).ended()
            except kind:
                return
