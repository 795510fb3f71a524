"""An attacker at the relay's door, with what may be stolen or recorded: grants, proofs, keys of other devices.

Each attempt is refused for the right reason, counted once and logged once, and leaves no secret in either.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors, proof
from dispatch.api.pairing.v1 import pairing_pb2
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.attacks import LogBook, Watch
from tests.support.device_end import DeviceEnd, Identity
from tests.support.relay import Pair, Relay
from tests.support.trust_service import HOUR_MS
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS

ENDS = "dispatch_relay_stream_ends_total"


@pytest.fixture
def watched(log: LogBook, calm_relay: Relay) -> Watch:
    """Give what tells of attacks on the relay."""
    return Watch(page=calm_relay.metrics_text, log=log)


def refused(word: str) -> dict[str, str]:
    return {"event": "stream refused", "reason": word}


def keeps_secret(watched: Watch, device: Identity, hello: pb.Hello, *more: bytes) -> None:
    """Look for what this device's opening holds."""
    grant = pairing_pb2.SignedGrant.FromString(hello.grant)
    watched.secrets += [device.key.private_bytes_raw(), hello.nonce, grant.grant, grant.signature, *more]
    watched.ids += [hello.device_id]


async def test_a_recorded_proof_opens_no_other_stream(calm_relay: Relay, watched: Watch) -> None:
    victim = calm_relay.pair().phone
    hello = victim.hello()
    first = DeviceEnd(calm_relay.address)
    await first.say(hello=hello)
    challenge = (await first.got("challenge")).challenge
    recorded = victim.prove(hello, challenge, dialled=calm_relay.address)
    await first.say(proof=recorded, open=pb.Open())
    await first.got("opened")
    keeps_secret(watched, victim, hello, recorded.signature, challenge.nonce)

    async with watched.expects(
        ENDS, carrier=calm_relay.carrier, reason="PROOF_INVALID", logged=refused("PROOF_INVALID")
    ):
        thief = DeviceEnd(calm_relay.address)
        await thief.say(hello=hello, proof=recorded, open=pb.Open())  # all of it, byte for byte
        assert isinstance(await thief.ended(), errors.ProofInvalid)

    assert not first.closed
    await first.drop()


def rewritten(victim: Identity, **changed: Any) -> bytes:
    """Give a true grant with something else written into it."""
    signed = pairing_pb2.SignedGrant.FromString(victim.grant())
    grant = pairing_pb2.Grant.FromString(signed.grant)
    for name, value in changed.items():
        setattr(grant, name, value)
    signed.grant = grant.SerializeToString()
    return signed.SerializeToString()


def by_another_service(victim: Identity) -> bytes:
    """Give a grant that fits in every word, signed by a key that this relay does not know."""
    signed = pairing_pb2.SignedGrant.FromString(victim.grant())
    key = Ed25519PrivateKey.generate()
    made = proof.sign_grant(key.sign, key.public_key().public_bytes_raw(), signed.grant)
    return pairing_pb2.SignedGrant(grant=signed.grant, key_id=made.key_id, signature=made.signature).SerializeToString()


GRANTS: dict[str, tuple[str, Callable[[Identity, Pair], bytes]]] = {
    "expired": ("GRANT_EXPIRED", lambda victim, _: victim.grant(from_ms=-2 * HOUR_MS)),
    "future": ("GRANT_EXPIRED", lambda victim, _: victim.grant(from_ms=2 * HOUR_MS)),
    "of another device": ("PROOF_INVALID", lambda _, other: other.phone.grant()),
    "made longer": ("PROOF_INVALID", lambda victim, _: rewritten(victim, not_after_ms=2**50)),
    "moved to another pairing": ("PROOF_INVALID", lambda victim, other: rewritten(victim, pair_id=other.pair_id)),
    "made a host's": ("PROOF_INVALID", lambda victim, _: rewritten(victim, role=pb.DEVICE_KIND_HOST)),
    "of another service": ("PROOF_INVALID", lambda victim, _: by_another_service(victim)),
}


@pytest.mark.parametrize("what", GRANTS)
async def test_a_grant_that_is_not_for_here_and_now_opens_no_stream(
    calm_relay: Relay, watched: Watch, what: str
) -> None:
    """The attacker has the victim's key here: even then it takes a grant of that device and of this hour."""
    word, make = GRANTS[what]
    victim = calm_relay.pair().phone
    hello = victim.hello(grant=make(victim, calm_relay.pair()))
    keeps_secret(watched, victim, hello)

    async with watched.expects(ENDS, carrier=calm_relay.carrier, reason=word, logged=refused(word)):
        with pytest.raises(errors.of_word(word).__class__):
            await calm_relay.attach(victim, hello=hello)


async def test_a_stolen_grant_is_worth_nothing_without_its_key(calm_relay: Relay, watched: Watch) -> None:
    victim = calm_relay.pair().phone
    hello = victim.hello()
    thief = Identity.again(victim)
    thief.key = Ed25519PrivateKey.generate()
    keeps_secret(watched, victim, hello)

    async with watched.expects(
        ENDS, carrier=calm_relay.carrier, reason="PROOF_INVALID", logged=refused("PROOF_INVALID")
    ):
        with pytest.raises(errors.ProofInvalid):
            await calm_relay.attach(thief, hello=hello)


async def test_a_stolen_grant_is_worth_nothing_under_a_device_key_of_the_thiefs(
    calm_relay: Relay, watched: Watch
) -> None:
    pair = calm_relay.pair()
    thief = Identity("phone", pair.pair_id, calm_relay.trust)
    hello = thief.hello(grant=pair.phone.grant())
    keeps_secret(watched, thief, hello)

    async with watched.expects(
        ENDS, carrier=calm_relay.carrier, reason="PROOF_INVALID", logged=refused("PROOF_INVALID")
    ):
        with pytest.raises(errors.ProofInvalid):
            await calm_relay.attach(thief, hello=hello)


async def test_a_proof_that_a_hostile_relay_was_given_is_worth_nothing_at_this_one(
    calm_relay: Relay, watched: Watch
) -> None:
    """The relay in the middle hands the challenge on; what the victim signs names the one that it dialled."""
    victim = calm_relay.pair().phone
    hello = victim.hello()
    keeps_secret(watched, victim, hello)

    async with watched.expects(
        ENDS, carrier=calm_relay.carrier, reason="PROOF_INVALID", logged=refused("PROOF_INVALID")
    ):
        with pytest.raises(errors.ProofInvalid):
            await DeviceEnd.attach(victim, calm_relay.address, hello=hello, dialled="hostile.example:7302")


async def test_a_right_grant_for_one_pairing_reaches_no_other(calm_relay: Relay) -> None:
    """A device of the same relay, with rights of its own: all it says goes to its own host."""
    victims, attackers = calm_relay.pair(), calm_relay.pair()
    host = await calm_relay.attach(victims.host)
    intruder = await calm_relay.attach(attackers.phone)

    refusal = await intruder.refusal(await intruder.post(b"open the door", task_id=victims.pair_id))
    await intruder.say(live=pb.Live(sealed=b"psst"))
    await intruder.got("refusal", lambda one: not one.message_id)

    assert refusal.reason == errors.HostNeverConnected.reason
    await (await calm_relay.attach(victims.phone)).presence(pb.REACHABILITY_REACHABLE)
    assert not host.all("handover")
    assert not host.all("live")


@pytest.mark.parametrize("ended", ["device", "pairing"])
async def test_an_unexpired_grant_is_worth_nothing_once_it_was_revoked(
    calm_relay: Relay, watched: Watch, ended: str
) -> None:
    pair = calm_relay.pair()
    hello = pair.phone.hello()
    stolen = await calm_relay.attach(pair.phone, hello=hello)
    word = {"device": "DEVICE_REVOKED", "pairing": "NOT_PAIRED"}[ended]
    if ended == "device":
        await calm_relay.trust.revoke(pair.phone.device_id)
    else:
        await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    assert type(await stolen.ended()) is type(errors.of_word(word))
    keeps_secret(watched, pair.phone, hello)

    async with watched.expects(ENDS, carrier=calm_relay.carrier, reason=word, logged=refused(word)):
        with pytest.raises(errors.of_word(word).__class__):
            await calm_relay.attach(pair.phone, hello=hello)


async def test_a_feed_that_is_held_back_lets_nobody_in_and_shows(calm_relay: Relay, watched: Watch) -> None:
    """Somebody between relay and pairing service lets no word through, so that no revocation arrives."""
    pair = calm_relay.pair()
    await calm_relay.stop()
    await calm_relay.start(trust_stale_seconds=1, until_serving=False)
    calm_relay.trust.silent.set()
    await calm_relay.serving(False)
    assert await watched.reads("dispatch_relay_trust_age_seconds") > 1
    hello = pair.phone.hello()
    keeps_secret(watched, pair.phone, hello)

    async with watched.expects(ENDS, carrier=calm_relay.carrier, reason="TRUST_STALE", logged=refused("TRUST_STALE")):
        with pytest.raises(errors.TrustStale) as told:
            await calm_relay.attach(pair.phone, hello=hello)
    assert told.value.retry_after_ms

    calm_relay.trust.silent.clear()
    await calm_relay.trust.revoke(pair.phone.device_id)
    await DeviceEnd.attach_soon(calm_relay.pair().phone, calm_relay.address)
    with pytest.raises(errors.DeviceRevoked):
        await calm_relay.attach(pair.phone)


async def test_a_feed_by_somebody_else_is_not_believed(calm_relay: Relay, watched: Watch) -> None:
    """Keys that no known key vouches for: whoever has the feed can't make grants."""
    victim = calm_relay.pair().phone
    assert await watched.reads("dispatch_relay_trust_feed_connected") == 1

    await calm_relay.trust.rotate(vouched=False)
    await calm_relay.trust.asked_again()

    assert await watched.reads("dispatch_relay_trust_feed_connected") == 0
    said = [line["why"] for line in watched.log.lines if line["event"] == "trust feed broke"]
    assert said == ["no key that is known signed the offered keys"] * len(said) != []
    forged = victim.hello()
    async with watched.expects(
        ENDS, carrier=calm_relay.carrier, reason="PROOF_INVALID", logged=refused("PROOF_INVALID")
    ):
        with pytest.raises(errors.ProofInvalid):
            await calm_relay.attach(victim, hello=forged)


async def test_who_knocks_without_end_is_refused_without_end_and_keeps_nobody_out(
    calm_relay: Relay, watched: Watch
) -> None:
    pair = calm_relay.pair()
    async with watched.expects(
        ENDS, carrier=calm_relay.carrier, reason="PROOF_INVALID", times=200, logged=refused("PROOF_INVALID")
    ):
        for _ in range(200):
            with pytest.raises(errors.ProofInvalid):
                await calm_relay.attach(pair.phone, hello=pair.phone.hello(grant=os.urandom(200)))

    await (await calm_relay.attach(pair.host)).got("opened")


async def test_streams_that_begin_and_say_nothing_are_bounded_and_cost_those_inside_nothing(
    calm_relay: Relay, watched: Watch
) -> None:
    await calm_relay.stop()
    await calm_relay.start(openings=4, hello_ms=60_000)
    pair = calm_relay.pair()
    inside = await calm_relay.attach(pair.host)
    silent = [DeviceEnd(calm_relay.address) for _ in range(4)]
    for end in silent:
        await end.say(hello=pair.phone.hello())
        await end.got("challenge")

    async with watched.expects(ENDS, carrier=calm_relay.carrier, reason="RATE_LIMITED", logged=refused("RATE_LIMITED")):
        # Without a word: grpc would report the word that came too late in place of the refusal (docs/protocol.md).
        told = await DeviceEnd(calm_relay.address).ended()

    assert isinstance(told, errors.RateLimited)
    assert told.retry_after_ms
    await inside.receipt(await inside.keep(b"as if nothing had been"))
    await silent.pop().drop()
    await attached_soon(calm_relay, pair.phone)
    for end in silent:
        await end.drop()


async def attached_soon(relay: Relay, device: Identity) -> None:
    """Attach as soon as there is room: the relay hears a moment later that somebody has hung up."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                await relay.attach(device)
            except (errors.RateLimited, errors.Internal):  # Internal: its Hello met the refusal
                await asyncio.sleep(0.02)  # as a device backs off
            else:
                return
