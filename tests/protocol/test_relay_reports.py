"""What a relay reports of tasks to the pairing service: every verdict and outcome, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.pairing.v1 import pairing_pb2
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.clock import SystemClock

from tests.support.device_end import DeviceEnd
from tests.support.relay import Pair, Relay, locked
from tests.support.trust_service import new_id
from tests.support.waiting import DEADLINE_SECONDS, until, until_so


async def together(relay: Relay) -> tuple[Pair, DeviceEnd, DeviceEnd]:
    pair = relay.pair()
    host = await relay.attach(pair.host)
    return pair, await relay.attach(pair.phone), host


async def accepted(phone: DeviceEnd, host: DeviceEnd, *, task_id: bytes = b"") -> bytes:
    """Have a task accepted; gives its id."""
    task_id = task_id or new_id()
    message_id = await phone.post(new_id(), task_id=task_id)
    await host.got("handover", lambda one: one.message_id == message_id)
    await host.say(take=pb.Take(message_id=message_id))
    await phone.receipt(message_id)
    return task_id


async def refused(phone: DeviceEnd, host: DeviceEnd) -> bytes:
    """Have a task refused; gives its id."""
    task_id = new_id()
    message_id = await phone.post(new_id(), task_id=task_id)
    await host.got("handover", lambda one: one.message_id == message_id)
    await host.say(decline=pb.Decline(message_id=message_id, reason=Reason.REASON_QUEUE_FULL))
    await phone.refusal(message_id)
    return task_id


async def ended(host: DeviceEnd, task_id: bytes, outcome: pb.Outcome.ValueType = pb.OUTCOME_DONE) -> None:
    """Have a task end."""
    await host.receipt(await host.keep(new_id(), task_id=task_id, outcome=outcome))


async def until_nothing_waits(relay: Relay) -> None:
    await until(lambda: not waiting(relay))


def waiting(relay: Relay) -> int:
    with sqlite3.connect(relay.data / "relay.sqlite3") as db:
        (count,) = db.execute("SELECT count(*) FROM report").fetchone()
    return int(count)


def words(report: pairing_pb2.TaskReport) -> str:
    if report.outcome:
        return pb.Outcome.Name(report.outcome).removeprefix("OUTCOME_").lower()
    return "accepted" if report.accepted else Reason.Name(report.reason).removeprefix("REASON_")


async def test_every_verdict_and_outcome_is_reported(calm_relay: Relay) -> None:
    pair, phone, host = await together(calm_relay)
    first = await accepted(phone, host)
    second = await refused(phone, host)
    # A command about a task is no task.
    await accepted(phone, host, task_id=first)
    await ended(host, first)
    await ended(host, first, pb.OUTCOME_FAILED)

    told = await calm_relay.trust.told(3)

    assert [(one.task_id, words(one)) for one in told] == [
        (first, "accepted"), (second, "QUEUE_FULL"), (first, "done"),
    ]  # fmt: skip
    assert {one.pair_id for one in told} == {pair.pair_id}
    assert told[0].posted_at_ms == told[2].posted_at_ms <= told[2].ended_at_ms
    await until_nothing_waits(calm_relay)
    await calm_relay.metric_above("dispatch_relay_reports_total", 2)
    assert await calm_relay.metric("dispatch_relay_reports_total") == 3

    async def all_told() -> bool:  # it is counted anew when what waited is gone from the store
        return await calm_relay.metric("dispatch_relay_reports_waiting") == 0

    await until_so(all_told)


async def test_a_task_for_a_host_that_is_away_is_reported_with_the_cause(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    phone = await calm_relay.attach(pair.phone)

    await phone.refusal(await phone.post(b"do it"))

    (told,) = await calm_relay.trust.told(1)
    assert words(told) == "HOST_NEVER_CONNECTED"


async def test_what_was_refused_because_nothing_could_be_stored_is_reported_when_it_can_be(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    lost, again = new_id(), new_id()
    with locked(calm_relay):
        for message_id in [await phone.post(new_id(), task_id=task_id) for task_id in (lost, again, lost)]:
            refusal = await phone.refusal(message_id)
            assert (refusal.reason, refusal.seq) == (Reason.REASON_STORE_FAILED, 0)
    await accepted(phone, host, task_id=again)

    told = {one.task_id: words(one) for one in await calm_relay.trust.told(2)}

    assert told[lost] == "STORE_FAILED"
    await until_nothing_waits(calm_relay)
    # Its next attempt says more, whichever came to the disk first.
    assert [words(one) for one in calm_relay.trust.reported if one.task_id == again][-1] == "accepted"


async def test_reports_wait_while_the_pairing_service_is_away(calm_relay: Relay) -> None:
    _, phone, host = await together(calm_relay)
    address = calm_relay.trust.address
    await calm_relay.trust.close()
    task_id = await accepted(phone, host)
    await ended(host, task_id)
    await calm_relay.metric_above("dispatch_relay_report_failures_total", 0)
    assert await calm_relay.metric("dispatch_relay_reports_waiting") >= 1

    await calm_relay.trust.listen(address)

    assert [words(one) for one in await calm_relay.trust.told(2)] == ["accepted", "done"]


async def test_a_relay_that_is_stopped_in_between_reports_when_it_is_back(calm_relay: Relay) -> None:
    calm_relay.trust.deaf = True
    _, phone, host = await together(calm_relay)
    task_id = await accepted(phone, host)
    await ended(host, task_id)
    await calm_relay.trust.asked_to_report(1)
    await calm_relay.stop()
    assert waiting(calm_relay) == 2

    calm_relay.trust.deaf = False
    await calm_relay.start()

    assert [words(one) for one in await calm_relay.trust.told(2)] == ["accepted", "done"]
    await until_nothing_waits(calm_relay)


async def test_an_answer_that_is_lost_costs_a_repetition_and_no_report(calm_relay: Relay) -> None:
    calm_relay.trust.lost_answers = 2
    _, phone, host = await together(calm_relay)
    await accepted(phone, host)

    await until_nothing_waits(calm_relay)

    assert len(calm_relay.trust.reported) == 3
    assert len(await calm_relay.trust.told(1)) == 1


async def test_a_long_list_is_told_in_batches(calm_relay: Relay) -> None:
    await calm_relay.stop()
    now_ms = SystemClock().wall_ms()
    with sqlite3.connect(calm_relay.data / "relay.sqlite3") as db:
        db.executemany(
            "INSERT INTO report (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms)"
            " VALUES (?, ?, ?, 1, 0, 0, 0)",
            [(b"p" * 16, number.to_bytes(16, "big"), now_ms + number) for number in range(2_500)],
        )

    await calm_relay.start()

    told = await calm_relay.trust.told(2_500)
    assert [one.posted_at_ms for one in told] == list(range(now_ms, now_ms + 2_500))
    assert calm_relay.trust.calls == [1_000, 1_000, 500]


async def test_a_task_whose_pairing_ends_before_it_is_reported_as_never_to_be_told(calm_relay: Relay) -> None:
    pair, phone, host = await together(calm_relay)
    task_id = await accepted(phone, host)

    await calm_relay.trust.end_pairing(pair.pair_id, ended_by=pb.DEVICE_KIND_PHONE)

    last = (await calm_relay.trust.told(2))[-1]
    assert (last.task_id, last.accepted, last.outcome, last.reason) == (task_id, True, 0, Reason.REASON_NOT_PAIRED)
    assert last.ended_at_ms >= last.posted_at_ms > 0


@pytest.mark.parametrize("how", ["deaf", "away"])
async def test_a_relay_that_can_not_report_stops_all_the_same(how: str, calm_relay: Relay) -> None:
    _, phone, host = await together(calm_relay)
    if how == "deaf":
        calm_relay.trust.deaf = True
        await accepted(phone, host)
        await calm_relay.trust.asked_to_report(1)
    else:
        await calm_relay.trust.close()
        await accepted(phone, host)

    async with asyncio.timeout(DEADLINE_SECONDS):
        await calm_relay.stop()

    assert waiting(calm_relay) == 1


async def test_what_is_reported_holds_nothing_that_was_sealed(calm_relay: Relay) -> None:
    _, phone, host = await together(calm_relay)
    message_id = await phone.post(b"a canary in a seal")
    await host.got("handover")
    await host.say(take=pb.Take(message_id=message_id))

    (told,) = await calm_relay.trust.told(1)

    assert b"canary" not in told.SerializeToString()


async def test_a_task_that_came_by_another_way_is_known_from_its_go_on(calm_relay: Relay) -> None:
    """Its command never was here: the host says that it has its go, so that nobody is in the dark should that host go away."""
    pair, phone, host = await together(calm_relay)
    elsewhere = new_id()
    for go in [new_id()] * 2 + [new_id()]:  # the same again, and another one
        await host.say(post=pb.Post(message_id=go, task_id=elsewhere, kind=pb.KIND_KEEP, since_posted_ms=4_000))
        await host.receipt(go)

    cancelled = await phone.post(new_id(), task_id=elsewhere)
    await host.got("handover", lambda one: one.message_id == cancelled)
    await host.say(decline=pb.Decline(message_id=cancelled, reason=Reason.REASON_TASK_OVER))
    await phone.refusal(cancelled)
    await phone.bye()
    await host.bye(notice=pb.CONDITION_ASLEEP)

    # What is said of it here is the task's go and nothing of the cancel.
    taken = (await calm_relay.trust.told(1))[0]
    assert (taken.task_id, words(taken)) == (elsewhere, "accepted")
    await until(lambda: calm_relay.push.calls == [(pair.pair_id, pb.PUSH_HINT_NEWS)])
    assert await calm_relay.metric("dispatch_relay_host_offline_failures_total", cause="asleep") == 1
    await ended(await calm_relay.attach(pair.host), elsewhere)
    assert [words(one) for one in await calm_relay.trust.told(2)] == ["accepted", "done"]


async def test_a_go_behind_the_outcome_opens_nothing(calm_relay: Relay) -> None:
    _, _, host = await together(calm_relay)
    elsewhere, go = new_id(), new_id()
    await ended(host, elsewhere)
    await host.say(post=pb.Post(message_id=go, task_id=elsewhere, kind=pb.KIND_KEEP))
    await host.receipt(go)
    behind = new_id()
    await ended(host, behind)

    assert [(one.task_id, words(one)) for one in await calm_relay.trust.told(2)] == [
        (elsewhere, "done"), (behind, "done"),
    ]  # fmt: skip
