"""Whom the relay believes, and for how long: grants, keys, and the feed of the pairing service."""

from __future__ import annotations

import asyncio

import pytest
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.trust_store import TrustStore

from tests.support.device_end import DeviceEnd, Identity
from tests.support.relay import Relay
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS


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
    try:
        told = await (await calm_relay.attach(pair.phone, hello=pair.phone.hello(grant=grant))).ended()
    except errors.GrantExpired as refused:
        told = refused  # a machine that is so busy that the grant was over before it was shown

    assert isinstance(told, errors.GrantExpired)

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
    await calm_relay.start(trust_stale_seconds=10)
    # What it heard before it stopped lets people in, too: this is about what it hears now.
    await calm_relay.metric_above("dispatch_relay_trust_feed_connected", 0)
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


async def test_a_relay_that_starts_again_says_what_it_was_told_by_its_digest(calm_relay: Relay) -> None:
    """A pairing service that was put back meanwhile has the same count, and told something else up to there."""
    first, second, trust = calm_relay.pair(), calm_relay.pair(), calm_relay.trust
    await trust.end_pairing(first.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    told = (trust.sequence, trust.digest(trust.sequence))
    store = TrustStore(calm_relay.data / "trust.sqlite3")
    await until(lambda: (store.load().sequence, store.load().digest) == told)
    await calm_relay.stop()
    trust.ended.clear()
    trust.sequence = 0
    await trust.end_pairing(second.pair_id, ended_by=pb.DEVICE_KIND_PHONE)

    await calm_relay.start()
    await _until_refused(calm_relay, second.phone)

    asked = trust.asked[-1]
    assert (asked.after_sequence, asked.after_digest) == told
    with pytest.raises(errors.NotPaired):
        await calm_relay.attach(first.phone)


async def _until_refused(relay: Relay, device: Identity) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                await (await relay.attach(device)).ended()
            except errors.NotPaired:
                return


async def _until_attached(relay: Relay, device: Identity) -> DeviceEnd:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await relay.attach(device)
            except errors.ProofInvalid:
                await asyncio.sleep(0.01)
