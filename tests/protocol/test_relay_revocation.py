"""A pairing that ends and a device that is revoked: whose streams end, who is told why, and who stays out."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch_relay.trust_store import TrustStore

from tests.support.device_end import Identity
from tests.support.relay import Relay, locked
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS


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


async def test_a_revocation_waits_for_nothing_else_that_waits_in_threads(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone = await calm_relay.attach(pair.phone)
    released, loop = threading.Event(), asyncio.get_running_loop()
    try:
        for _ in range(64):  # more than there are threads
            loop.run_in_executor(None, released.wait)

        await calm_relay.trust.revoke(pair.phone.device_id)

        assert isinstance(await phone.ended(), errors.DeviceRevoked)
    finally:
        released.set()


async def test_a_revocation_does_not_wait_until_pairings_that_ended_before_it_are_erased(calm_relay: Relay) -> None:
    ended, revoked, store = calm_relay.pair(), calm_relay.pair(), TrustStore(calm_relay.data / "trust.sqlite3")
    host, phone = await calm_relay.attach(ended.host), await calm_relay.attach(revoked.phone)
    await host.receipt(await host.keep(b"secret of old"))
    before = store.load().sequence

    with locked(calm_relay):  # nothing can be erased
        await calm_relay.trust.end_pairing(ended.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
        await calm_relay.trust.revoke(revoked.phone.device_id)

        assert isinstance(await phone.ended(), errors.DeviceRevoked)
        # So that a relay that dies now is told of both again.
        assert store.load().sequence == before

    await until(lambda: store.load().sequence == calm_relay.trust.sequence)
    assert isinstance(await host.ended(), errors.NotPaired)
    await calm_relay.stop()
    for file in calm_relay.data.iterdir():
        assert b"secret of old" not in file.read_bytes()


async def test_what_comes_back_with_a_database_that_is_put_back_is_erased_again(calm_relay: Relay) -> None:
    pair, database = calm_relay.pair(), calm_relay.data / "relay.sqlite3"
    host = await calm_relay.attach(pair.host)
    await host.receipt(await host.keep(b"secret of old"))
    await calm_relay.stop()
    backup = database.read_bytes()
    await calm_relay.start_again()
    await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)
    store = TrustStore(calm_relay.data / "trust.sqlite3")
    await until(lambda: store.load().sequence == calm_relay.trust.sequence)
    await calm_relay.stop()
    assert b"secret of old" not in database.read_bytes()

    database.write_bytes(backup)
    await calm_relay.start_again()

    await until(lambda: pairings_in(database) == 0)


def pairings_in(database: Path) -> int:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM pairing").fetchone()[0])


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


async def _until_refused(relay: Relay, device: Identity, kind: type[errors.DispatchError]) -> None:
    """Attach until the relay refuses, which it does as soon as it has heard; whoever got in before is cut off."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                await (await relay.attach(device)).ended()
            except kind:
                return
