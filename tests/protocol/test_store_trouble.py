"""A store that can't write: nothing is lost silently, nothing is said that is not durable, and the relay stays up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.relay import QUICK, Relay, locked
from tests.support.waiting import until


@pytest.fixture
async def patient_relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """Give a relay that lets a phone know after three seconds, and asks it nothing: no answer is under way when its stream ends."""
    settings = replace(QUICK, lease_ms=3_000, idle_ask_ms=60_000, restart_grace_ms=60_000)
    async with Relay(tmp_path / "relay", settings=settings) as relay:
        yield relay


async def test_posts_are_refused_while_the_store_is_stuck_and_welcome_after(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    with locked(calm_relay):
        command, news = await phone.post(b"do it"), await host.keep(b"news")
        for end, message_id in ((phone, command), (host, news)):
            refusal = await end.refusal(message_id)
            assert (refusal.reason, refusal.seq) == (Reason.REASON_STORE_FAILED, 0)
            assert refusal.retry_after_ms
    assert await calm_relay.metric("dispatch_relay_store_failures_total") >= 2

    await host.keep(b"news")
    await host.got("receipt", lambda one: (one.message_id, one.seq) == (news, 1))
    await phone.post(b"do it")
    await host.say(take=pb.Take(message_id=command))
    await phone.got("receipt", lambda one: (one.message_id, one.seq) == (command, 2))


async def test_a_take_of_what_was_never_stored_has_no_answer_and_the_post_is_welcome_again(calm_relay: Relay) -> None:
    """It was handed over ahead. Were it withdrawn, a go that it gets when it is posted again would go to nobody."""
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    with locked(calm_relay):
        command = await phone.post(b"do it")
        await host.got("handover")
        assert (await phone.refusal(command)).reason == Reason.REASON_STORE_FAILED
    await host.say(take=pb.Take(message_id=command))
    await host.receipt(await host.keep(b"news"))  # behind the take
    await phone.post(b"do it")
    await host.until(lambda: len(host.all("handover")) == 2)
    await host.say(take=pb.Take(message_id=command))
    await phone.got("receipt", lambda one: one.message_id == command)
    assert not host.all("withdrawn")


async def test_a_phone_that_comes_again_before_its_post_is_stored_is_told_that_it_waits_and_then_its_fate(
    calm_relay: Relay,
) -> None:
    """Told of none it would take it for never stored, and give it up or send it anew, while the host is about to run it."""
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    with locked(calm_relay):
        command = await phone.post(b"do it")
        await host.got("handover")
        again = await calm_relay.attach(pair.phone)
        assert list(again.all("opened")[0].pending_message_ids) == [command]
        assert (await again.refusal(command)).reason == Reason.REASON_STORE_FAILED  # not by the stream that is over

    other = await again.post(b"and that")
    await host.got("handover", lambda one: one.message_id == other)
    newest = await calm_relay.attach(pair.phone)
    await host.say(take=pb.Take(message_id=other))
    await newest.receipt(other)
    assert list(newest.all("opened")[0].pending_message_ids) in ([other], [])


async def test_a_relay_that_dies_before_it_stored_what_it_handed_over_gets_it_again(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    with locked(calm_relay):
        command = await phone.post(b"do it")
        await host.got("handover")
        await calm_relay.stop()
    await calm_relay.start()
    phone, host = await calm_relay.attach(pair.phone), await calm_relay.attach(pair.host)
    assert not phone.all("opened")[0].pending_message_ids  # nor is there a row: the phone is to post it again
    await phone.post(b"do it")
    await host.got("handover", lambda one: one.message_id == command)
    await host.say(take=pb.Take(message_id=command))
    await phone.receipt(command)


async def test_a_verdict_is_told_when_it_is_durable_and_not_before(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await phone.got("handed_over")  # and is stored
    with locked(calm_relay):
        await host.say(decline=pb.Decline(message_id=message_id, reason=Reason.REASON_QUEUE_FULL))
        other = await phone.post(b"and that")
        await phone.refusal(other)  # it stood behind the verdict in the one line to the store
        assert message_id not in phone.answered()
    refusal = await phone.refusal(message_id)
    assert (refusal.reason, refusal.seq) == (Reason.REASON_QUEUE_FULL, 1)
    await host.got("withdrawn", lambda one: one.seq == 1)


async def test_a_take_that_could_not_be_stored_is_no_go(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    message_id = await phone.post(b"do it", valid_for_ms=1_500)
    await phone.got("handed_over")  # and is stored
    with locked(calm_relay):
        await host.say(take=pb.Take(message_id=message_id))
        await phone.refusal(await phone.post(b"and that"))
    assert (await phone.refusal(message_id)).reason == Reason.REASON_NOT_TAKEN_IN_TIME
    await host.got("withdrawn", lambda one: one.message_id == message_id)
    assert not host.all("deliver")


async def test_a_phone_is_let_know_that_a_verdict_can_not_be_written_and_hears_it_later(patient_relay: Relay) -> None:
    """The command still waits on the disk: a refusal would be a lie if the relay died now and the host took it after all."""
    pair = patient_relay.pair()
    host, phone = await patient_relay.attach(pair.host), await patient_relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await phone.got("handed_over")  # and is stored
    with locked(patient_relay):
        await host.say(decline=pb.Decline(message_id=message_id, reason=Reason.REASON_QUEUE_FULL))
        ended = await phone.ended()
        assert isinstance(ended, errors.StoreFailed)
        assert message_id not in phone.answered()

        again = await patient_relay.attach(pair.phone)  # for everything else
        assert again.all("opened")[0].pending_message_ids == [message_id]
    assert (await again.refusal(message_id)).reason == Reason.REASON_QUEUE_FULL


async def test_a_relay_that_dies_with_a_verdict_unwritten_has_told_no_lie(patient_relay: Relay) -> None:
    pair = patient_relay.pair()
    host, phone = await patient_relay.attach(pair.host), await patient_relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await phone.got("handed_over")  # and is stored
    with locked(patient_relay):
        await host.say(decline=pb.Decline(message_id=message_id, reason=Reason.REASON_QUEUE_FULL))
        assert isinstance(await phone.ended(), errors.StoreFailed)
        await host.drop()
        await patient_relay.stop()
    await patient_relay.start()
    again, host = await patient_relay.attach(pair.phone), await patient_relay.attach(pair.host)

    # For all that anybody knows now, it was never declined.
    await host.got("handover", lambda one: one.message_id == message_id)
    await host.say(take=pb.Take(message_id=message_id))
    await again.receipt(message_id)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 4 MiB, where this machine lets us have one."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"NOT RUN: no disk of our own here ({mounted.stderr.decode().strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave not a byte; gives what takes the room."""
    filling = folder / "filling"
    with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return filling


async def test_on_a_disk_that_is_really_full_nothing_is_told_that_is_not_so(small_disk: Path) -> None:
    settings = replace(QUICK, lease_ms=1_000, idle_ask_ms=60_000)
    async with Relay(small_disk / "relay", settings=settings) as relay:
        pair = relay.pair()
        host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
        message_id = await phone.post(b"do it")
        await phone.got("handed_over")  # and is stored
        filling = fill(small_disk)
        await phone.refusal(
            await phone.post(bytes(60_000))
        )  # full indeed: what fits into pages that are there may be kept
        await host.say(decline=pb.Decline(message_id=message_id, reason=Reason.REASON_QUEUE_FULL))

        await until(lambda: phone.closed or message_id in phone.answered())
        if phone.closed:  # it could not be written, and the phone knows that nobody knows
            assert isinstance(phone.error, errors.StoreFailed)
            filling.unlink()
            phone = await relay.attach(pair.phone)
        assert (await phone.refusal(message_id)).reason == Reason.REASON_QUEUE_FULL

        with sqlite3.connect(relay.data / "relay.sqlite3") as store:
            assert store.execute("SELECT count(*) FROM pending").fetchone() == (0,)


def listens(address: Address) -> bool:
    try:
        socket.create_connection((address.host, address.port), timeout=1).close()
    except OSError:
        return False
    return True


async def test_a_row_that_is_written_while_the_relay_ends_still_calls_its_person(calm_relay: Relay) -> None:
    """The relay's task group was over by then: the call was dropped with a warning, and never recorded."""
    await calm_relay.stop()
    await calm_relay.start(drain_ms=0)  # so that the lock is let go long before the store gives up
    pair = calm_relay.pair()
    host = await calm_relay.attach(pair.host)
    with locked(calm_relay):
        await host.keep(b"news", push_hint=pb.PUSH_HINT_NEWS)
        await host.say(live=pb.Live(sealed=b"x"))
        await host.got("refusal")  # nobody is there to hear it: what was said before it has come
        stopping = asyncio.create_task(calm_relay.stop())
        await until(lambda: not listens(Address.parse(calm_relay.address)))
    await stopping

    with sqlite3.connect(calm_relay.data / "relay.sqlite3") as store:
        (written,) = store.execute("SELECT count(*) FROM thread_row").fetchone()
    assert len(calm_relay.push.calls) == written == 1
