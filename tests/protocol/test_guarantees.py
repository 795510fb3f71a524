"""The guarantees of the thread stream, each by its name in the contract, on a real relay."""

from __future__ import annotations

import sqlite3

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd
from tests.support.relay import Pair, Relay
from tests.support.trust_service import new_id
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS


async def takes(host: DeviceEnd, message_id: bytes) -> None:
    """Let the host take a command when it gets it."""
    await host.got("handover", lambda one: one.message_id == message_id)
    await host.say(take=pb.Take(message_id=message_id))


async def a_conversation(phone: DeviceEnd, host: DeviceEnd) -> None:
    """Make five rows: accepted, two of the host, refused, one of the host."""
    task_id = new_id()
    accepted = await phone.post(b"do it", task_id=task_id)
    await takes(host, accepted)
    await phone.receipt(accepted)
    for sealed in (b"step", b"done"):
        await host.receipt(await host.keep(sealed, task_id=task_id))
    refused = await phone.post(b"and that")
    await host.got("handover", lambda one: one.message_id == refused)
    await host.say(decline=pb.Decline(message_id=refused, reason=Reason.REASON_QUEUE_FULL, retry_after_ms=9))
    await phone.refusal(refused)
    await host.receipt(await host.keep(b"news"))


async def together(relay: Relay) -> tuple[Pair, DeviceEnd, DeviceEnd]:
    """Attach a new pair."""
    pair = relay.pair()
    host = await relay.attach(pair.host)
    return pair, await relay.attach(pair.phone), host


async def test_contiguous(relay: Relay) -> None:
    _, phone, host = await together(relay)
    await a_conversation(phone, host)
    for end in (phone, host):
        await end.until(lambda end=end: len(end.rows()) == 5)  # type: ignore[misc]
        assert end.rows() == [1, 2, 3, 4, 5]
    words = [frame.WhichOneof("frame") for frame in phone.frames]
    assert [word for word in words if word in {"receipt", "deliver", "refusal"}] == [
        "receipt", "deliver", "deliver", "refusal", "deliver",
    ]  # fmt: skip
    words = [frame.WhichOneof("frame") for frame in host.frames]
    assert [word for word in words if word in {"receipt", "deliver", "withdrawn"}] == [
        "deliver", "receipt", "receipt", "withdrawn", "receipt",
    ]  # fmt: skip


async def test_a_host_gets_its_command_back_without_the_seal(relay: Relay) -> None:
    _, phone, host = await together(relay)
    message_id = await phone.post(b"do it")
    handover = (await host.got("handover")).handover
    assert (handover.message_id, handover.sealed) == (message_id, b"do it")
    assert 0 < handover.valid_for_ms <= relay.settings.valid_for_ms
    await host.say(take=pb.Take(message_id=message_id))
    deliver = (await host.got("deliver")).deliver
    assert (deliver.message_id, deliver.sealed, deliver.seq) == (message_id, b"", 1)
    assert (await phone.got("handed_over")).handed_over.message_id == message_id


async def test_idempotent(relay: Relay) -> None:
    _, phone, host = await together(relay)
    accepted = await phone.post(b"do it")
    await takes(host, accepted)
    assert await phone.receipt(accepted) == 1
    kept = await host.keep(b"result")
    assert await host.receipt(kept) == 2

    for _ in range(2):
        await phone.post(b"do it")
        await host.keep(b"result")
    await phone.until(lambda: len(phone.all("receipt")) == 3)
    await host.until(lambda: len(host.all("receipt")) == 3)

    assert [one.seq for one in phone.all("receipt")] == [1, 1, 1]
    assert [one.seq for one in host.all("receipt")] == [2, 2, 2]
    assert len(host.all("handover")) == 1
    assert len(phone.all("deliver")) == 1


async def test_a_refused_post_gets_the_same_answer_again_though_the_host_is_back(relay: Relay) -> None:
    pair, phone, host = await together(relay)
    await host.bye()
    message_id = await phone.post(b"do it")
    first = await phone.refusal(message_id)
    back = await relay.attach(pair.host)
    await phone.presence(pb.REACHABILITY_REACHABLE)

    await phone.post(b"do it")
    await phone.until(lambda: len(phone.all("refusal")) == 2)

    assert phone.all("refusal")[1] == first
    assert first.reason == Reason.REASON_HOST_APP_CLOSED
    assert not back.all("handover")


@pytest.mark.parametrize("known", range(6))
async def test_resumable(relay: Relay, known: int) -> None:
    pair, phone, host = await together(relay)
    await a_conversation(phone, host)

    for device in (pair.phone, pair.host):
        end = await relay.attach(device, resume_after=known)
        opened = (await end.got("opened")).opened
        assert (opened.head_seq, opened.oldest_seq) == (5, 1)
        await end.until(lambda end=end: len(end.rows()) == 5 - known)  # type: ignore[misc]
        assert end.rows() == list(range(known + 1, 6))


async def test_what_was_kept_is_read_again_after_a_restart_of_the_relay(relay: Relay) -> None:
    pair, phone, host = await together(relay)
    await a_conversation(phone, host)
    await relay.stop()
    await relay.start()

    end = await relay.attach(pair.phone, resume_after=1)

    await end.until(lambda: len(end.rows()) == 4)
    assert [one.sealed for one in end.all("deliver")] == [b"step", b"done", b"news"]
    assert [one.reason for one in end.all("refusal")] == [Reason.REASON_QUEUE_FULL]


async def test_a_device_that_knows_more_than_the_log_is_told_where_to_begin(relay: Relay) -> None:
    pair, phone, host = await together(relay)
    await a_conversation(phone, host)
    with pytest.raises(errors.ResumeTooOld) as refused:
        await relay.attach(pair.phone, resume_after=99)
    oldest = int(refused.value.metadata["oldest_seq"])
    end = await relay.attach(pair.phone, resume_after=oldest - 1)
    await end.until(lambda: len(end.rows()) == 5)


async def test_rows_that_are_gone_are_a_refusal_that_says_where_to_begin(relay: Relay) -> None:
    await relay.stop()
    await relay.start(thread_bytes=20_000, posts_per_second=1_000)
    pair = relay.pair()
    host = await relay.attach(pair.host)
    for number in range(60):
        await host.keep(bytes([number]) * 1_000)
    await host.until(lambda: len(host.rows()) == 60)
    await host.drop()
    await relay.stop()
    await relay.start()  # it has nothing in memory any more

    with pytest.raises(errors.ResumeTooOld) as refused:
        await relay.attach(pair.phone, resume_after=3)

    oldest = int(refused.value.metadata["oldest_seq"])
    assert 3 < oldest <= 60
    end = await relay.attach(pair.phone, resume_after=oldest - 1)
    await end.until(lambda: len(end.rows()) == 61 - oldest)
    assert end.rows() == list(range(oldest, 61))


async def test_answered(relay: Relay) -> None:
    """Every post has exactly one answer: taken, declined, ignored, in vain; on this stream or a later one."""
    pair, phone, host = await together(relay)
    taken, declined = await phone.post(b"taken"), await phone.post(b"declined")
    ignored = await phone.post(b"ignored", valid_for_ms=3_000)
    await takes(host, taken)
    await host.got("handover", lambda one: one.message_id == ignored)
    await host.say(decline=pb.Decline(message_id=declined, reason=Reason.REASON_STALE_EPOCH))
    await phone.until(lambda: len(phone.answered()) == 2)
    await phone.drop()

    later = await relay.attach(pair.phone)
    await later.until(lambda: len(later.answered()) == 3)
    await host.bye()
    in_vain = await later.post(b"in vain")
    await later.refusal(in_vain)

    assert sorted(later.answered()) == sorted([taken, declined, ignored, in_vain])
    reasons = {one.message_id: one.reason for one in later.all("refusal")}
    assert reasons == {
        declined: Reason.REASON_STALE_EPOCH,
        ignored: Reason.REASON_NOT_TAKEN_IN_TIME,
        in_vain: Reason.REASON_HOST_APP_CLOSED,
    }


async def test_opened_names_the_posts_that_wait(relay: Relay) -> None:
    pair, phone, host = await together(relay)
    waits = await phone.post(b"waits")
    await phone.got("handed_over")  # and is stored
    await phone.drop()

    again = await relay.attach(pair.phone)

    assert list((await again.got("opened")).opened.pending_message_ids) == [waits]
    await host.say(take=pb.Take(message_id=waits))
    assert await again.receipt(waits) == 1


async def test_explained(relay: Relay) -> None:
    """Presence is told at once and on each change, and an absence has a cause."""
    pair = relay.pair()
    phone = await relay.attach(pair.phone)
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_NEVER_CONNECTED)
    host = await relay.attach(pair.host)
    told = await phone.presence(pb.REACHABILITY_REACHABLE)
    assert told.instance == pair.host.instance
    assert not told.cause
    assert told.since_ms
    assert told.last_heard_ms
    await host.bye(notice=pb.CONDITION_ASLEEP)
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_ASLEEP)
    host = await relay.attach(pair.host)
    await phone.presence(pb.REACHABILITY_REACHABLE)
    await host.drop()
    await phone.got("presence", lambda one: one.state == pb.REACHABILITY_RECONNECTING)
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_UNREACHABLE)


async def test_blind(relay: Relay) -> None:
    """A command that has its verdict leaves no ciphertext behind, and none is needed."""
    _, phone, host = await together(relay)
    accepted, refused = await phone.post(b"accepted words"), await phone.post(b"refused words")
    await takes(host, accepted)
    await host.got("handover", lambda one: one.message_id == refused)
    await host.say(decline=pb.Decline(message_id=refused, reason=Reason.REASON_QUEUE_FULL))
    await phone.until(lambda: len(phone.answered()) == 2)
    with sqlite3.connect(relay.data / "relay.sqlite3") as db:
        assert db.execute("SELECT count(*) FROM pending").fetchone() == (0,)
        assert db.execute("SELECT DISTINCT sealed FROM thread_row").fetchall() == [(b"",)]


async def test_a_command_that_is_posted_again_while_it_waits_is_not_handed_over_again_on_the_same_stream(
    relay: Relay,
) -> None:
    """Else a phone could fill the relay's memory with handovers for a host that reads slowly, or not at all."""
    pair, phone, host = await together(relay)
    for _ in range(50):
        message_id = await phone.post(b"do it")
    await phone.until(lambda: len(phone.all("handed_over")) == 50)
    other = await phone.post(b"and that")
    await host.got("handover", lambda one: one.message_id == other)

    assert [one.message_id for one in host.all("handover")] == [message_id, other]
    back = await relay.attach(pair.host)
    await back.until(lambda: len(back.all("handover")) == 2)
