"""Opening a stream, and everything that is refused there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd, Identity
from tests.support.relay import Relay
from tests.support.trust_service import HOUR_MS
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
