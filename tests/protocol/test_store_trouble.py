"""A store that can't write: nothing is lost silently, nothing is said that is not durable, and the relay stays up."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.relay import Relay
from tests.support.waiting import until


@contextmanager
def locked(relay: Relay) -> Iterator[None]:
    """Hold the store's write lock, as a stuck backup would."""
    other = sqlite3.connect(relay.data / "relay.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_posts_are_refused_while_the_store_is_stuck_and_welcome_after(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    with locked(calm_relay):
        command, news = await phone.post(b"do it"), await host.keep(b"news")
        for end, message_id in ((phone, command), (host, news)):
            refusal = await end.refusal(message_id)
            assert (refusal.reason, refusal.seq) == (Reason.REASON_STORE_FAILED, 0)
            assert refusal.retry_after_ms
    assert not host.all("handover")
    assert await calm_relay.metric("dispatch_relay_store_failures_total") >= 2

    await phone.post(b"do it")
    await host.got("handover", lambda one: one.message_id == command)
    await host.keep(b"news")
    await host.got("receipt", lambda one: (one.message_id, one.seq) == (news, 1))


async def test_a_verdict_is_told_when_it_is_durable_and_not_before(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
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
    await host.got("handover")
    with locked(calm_relay):
        await host.say(take=pb.Take(message_id=message_id))
        await phone.refusal(await phone.post(b"and that"))
    assert (await phone.refusal(message_id)).reason == Reason.REASON_NOT_TAKEN_IN_TIME
    await host.got("withdrawn", lambda one: one.message_id == message_id)
    assert not host.all("deliver")


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
        stopping = asyncio.create_task(calm_relay.stop())
        await until(lambda: not listens(Address.parse(calm_relay.address)))
    await stopping

    with sqlite3.connect(calm_relay.data / "relay.sqlite3") as store:
        (written,) = store.execute("SELECT count(*) FROM thread_row").fetchone()
    assert len(calm_relay.push.calls) == written == 1
