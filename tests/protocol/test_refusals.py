"""Commands fail fast and with their cause; what is refused never runs."""

from __future__ import annotations

import time

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import Identity
from tests.support.proxy import Proxy
from tests.support.relay import Pair, Relay
from tests.support.trust_service import new_id
from tests.support.waiting import until
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS


async def gone(relay: Relay, pair: Pair, how: str) -> None:
    """Let the pair's host have been there, and go."""
    if how == "never_connected":
        return
    host = await relay.attach(pair.host)
    if how == "asleep":
        await host.bye(notice=pb.CONDITION_ASLEEP)
    elif how == "app_closed":
        await host.bye(notice=pb.CONDITION_APP_CLOSED)
    else:
        await host.drop()


@pytest.mark.parametrize("how", ["asleep", "app_closed", "unreachable", "never_connected"])
async def test_a_command_for_an_absent_host_is_refused_at_once_with_its_cause(relay: Relay, how: str) -> None:
    pair = relay.pair()
    await gone(relay, pair, how)
    phone = await relay.attach(pair.phone)
    cause = Reason.Value(f"REASON_HOST_{how.upper()}")
    await phone.presence(pb.REACHABILITY_ABSENT, cause)

    refusal = await phone.refusal(await phone.post(b"do it"))

    assert (refusal.reason, refusal.seq) == (cause, 1)
    assert not phone.all("handed_over")
    assert await relay.metric("dispatch_relay_host_offline_failures_total", cause=how) == 1
    assert await relay.metric("dispatch_relay_refusals_total", reason=f"HOST_{how.upper()}") == 1
    assert await relay.metric("dispatch_relay_tasks_total", outcome="refused") == 1
    assert await relay.metric("dispatch_relay_hosts", state=how) == 1


@pytest.mark.parametrize("how", ["asleep", "app_closed", "unreachable"])
async def test_the_cause_survives_a_restart_of_the_relay(relay: Relay, how: str) -> None:
    pair = relay.pair()
    watching = await relay.attach(pair.phone)
    await gone(relay, pair, how)
    cause = Reason.Value(f"REASON_HOST_{how.upper()}")
    await watching.presence(pb.REACHABILITY_ABSENT, cause)
    await relay.stop()
    await relay.start()
    phone = await relay.attach(pair.phone)
    assert (await phone.refusal(await phone.post(b"do it"))).reason == cause
    assert await relay.metric("dispatch_relay_hosts", state=how) == 1


ROUNDED_MS = 1
"""The relay takes how long a host was silent from one clock and the time from another, each in whole ms: it may be out by one."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_a_host_that_said_goodbye_was_last_heard_when_it_did(relay: Relay) -> None:
    pair = relay.pair()
    host = await relay.attach(pair.host)
    await host.receipt(await host.keep(b"a while later"))
    heard_by = wall_ms()
    await until(lambda: wall_ms() > heard_by + 2 * ROUNDED_MS)  # what was heard before can not pass for the goodbye
    before = wall_ms()
    await host.bye(notice=pb.CONDITION_APP_CLOSED)
    await relay.stop()
    await relay.start()

    phone = await relay.attach(pair.phone)

    told = await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_APP_CLOSED)
    assert told.last_heard_ms >= before - ROUNDED_MS


async def test_a_host_is_asked_when_a_phone_comes_though_it_was_heard_just_now(calm_relay: Relay) -> None:
    """Else a host that froze just now costs its phone the patience of a handshake and then a lease: eight seconds."""
    pair = calm_relay.pair()
    host = await calm_relay.attach(pair.host)

    await calm_relay.attach(pair.phone)

    await host.got("ping")


async def test_a_refused_command_is_not_run_when_the_host_is_back(relay: Relay) -> None:
    pair = relay.pair()
    await gone(relay, pair, "app_closed")
    phone = await relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await phone.refusal(message_id)

    host = await relay.attach(pair.host)
    await host.got("withdrawn", lambda one: (one.message_id, one.seq) == (message_id, 1))
    await host.say(take=pb.Take(message_id=message_id))
    await host.got("withdrawn", lambda one: (one.message_id, one.seq) == (message_id, 0))

    assert not host.all("handover")
    assert not host.all("deliver")


async def test_a_host_that_does_not_answer_in_time_is_too_late(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    message_id = await phone.post(b"do it", valid_for_ms=2_000)
    await host.got("handover")
    assert (await phone.refusal(message_id)).reason == Reason.REASON_NOT_TAKEN_IN_TIME
    await host.got("withdrawn", lambda one: one.seq == 1)

    await host.say(take=pb.Take(message_id=message_id))

    await host.got("withdrawn", lambda one: one.seq == 0)
    assert not host.all("deliver")
    assert phone.answered() == [message_id]


async def test_a_take_that_is_repeated_changes_nothing(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
    for _ in range(3):
        await host.say(take=pb.Take(message_id=message_id))
    await phone.receipt(message_id)
    await host.receipt(await host.keep(b"behind"))
    assert [one.seq for one in host.all("deliver")] == [1]
    assert not host.all("withdrawn")


@pytest.mark.parametrize("reason", [Reason.REASON_QUEUE_FULL, Reason.REASON_STALE_EPOCH, Reason.REASON_ID_REUSED])
async def test_a_decline_reaches_the_phone_as_it_is(relay: Relay, reason: Reason.ValueType) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
    await host.say(decline=pb.Decline(message_id=message_id, reason=reason, retry_after_ms=77))
    refusal = await phone.refusal(message_id)
    assert (refusal.reason, refusal.retry_after_ms) == (reason, 77)


async def test_a_decline_for_a_reason_that_nobody_knows_counts_as_internal(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
    await host.say(decline=pb.Decline(message_id=message_id, reason=4_711))  # type: ignore[arg-type] # a stranger's value
    assert (await phone.refusal(message_id)).reason == Reason.REASON_INTERNAL


async def test_a_command_without_a_seal_takes_the_one_path(relay: Relay) -> None:
    pair = relay.pair()
    phone = await relay.attach(pair.phone)
    assert (await phone.refusal(await phone.post(b""))).reason == Reason.REASON_HOST_NEVER_CONNECTED
    host = await relay.attach(pair.host)
    await phone.presence(pb.REACHABILITY_REACHABLE)
    message_id = await phone.post(b"")
    assert (await host.got("handover", lambda one: one.message_id == message_id)).handover.sealed == b""


async def test_a_host_that_closes_with_commands_waiting_refuses_them(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
    await host.bye(notice=pb.CONDITION_ASLEEP)
    assert (await phone.refusal(message_id)).reason == Reason.REASON_HOST_ASLEEP


async def test_bye_without_a_notice_is_a_closed_app(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    await host.bye()
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_APP_CLOSED)


async def test_a_notice_counts_while_the_stream_is_still_open_and_can_be_taken_back(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_ASLEEP)
    assert (await phone.refusal(await phone.post(b"too early"))).reason == Reason.REASON_HOST_ASLEEP
    await host.say(notice=pb.Notice(condition=pb.CONDITION_AWAKE))
    await phone.presence(pb.REACHABILITY_REACHABLE)
    message_id = await phone.post(b"now")
    await host.got("handover", lambda one: one.message_id == message_id)


# ---- the hard cell: the host goes just as it gets a task


async def test_a_frozen_host_is_refused_within_its_lease_and_never_runs_what_it_reads_late(relay: Relay) -> None:
    pair = relay.pair()
    async with Proxy(relay.address) as proxy:
        host = await relay.attach(pair.host, through=proxy.address)
        phone = await relay.attach(pair.phone)
        await phone.presence(pb.REACHABILITY_REACHABLE)
        proxy.freeze()

        message_id = await phone.post(b"do it")

        assert (await phone.refusal(message_id)).reason == Reason.REASON_HOST_UNREACHABLE
        await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_UNREACHABLE)
        proxy.thaw()
        await host.ended()  # what lay in the buffers is read now
        again = await relay.attach(pair.host)
        await again.say(take=pb.Take(message_id=message_id))
        await again.got("withdrawn", lambda one: one.seq == 0)
        assert not again.all("deliver")
    assert await relay.metric("dispatch_relay_host_offline_failures_total", cause="unreachable") == 1


async def test_a_host_that_does_not_pong_loses_its_lease(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    host.frozen = True
    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_UNREACHABLE)
    # No grace: that is for a stream that broke, and this one did not.
    assert [one.state for one in phone.all("presence")] == [pb.REACHABILITY_REACHABLE, pb.REACHABILITY_ABSENT]
    await host.ended()
    assert await relay.metric("dispatch_relay_stream_ends_total", reason="LEASE_LOST", carrier=relay.carrier) == 1


async def test_a_phone_that_does_not_pong_is_absent_for_its_host(relay: Relay) -> None:
    pair = relay.pair()
    phone, host = await relay.attach(pair.phone), await relay.attach(pair.host)
    phone.frozen = True
    told = await host.presence(pb.REACHABILITY_ABSENT)
    assert told.cause == Reason.REASON_UNSPECIFIED


async def test_a_host_whose_stream_breaks_gets_the_command_when_it_is_back_in_time(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    message_id = await phone.post(b"do it")
    await host.got("handover")
    await host.drop()

    again = await calm_relay.attach(pair.host)

    await again.got("handover", lambda one: one.message_id == message_id)
    await again.say(take=pb.Take(message_id=message_id))
    assert await phone.receipt(message_id) == 1


async def test_a_command_for_a_host_that_reconnects_waits_for_it(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    await host.say(notice=pb.Notice(condition=pb.CONDITION_RESTARTING))
    await phone.got("presence", lambda one: one.state == pb.REACHABILITY_RECONNECTING)
    message_id = await phone.post(b"do it")
    await phone.post(b"do it")
    await host.drop()
    again = await calm_relay.attach(Identity.again(pair.host))
    await again.got("handover", lambda one: one.message_id == message_id)
    assert (await phone.presence(pb.REACHABILITY_REACHABLE)).instance != pair.host.instance


async def test_a_host_that_does_not_come_back_in_time_was_unreachable(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    await host.say(notice=pb.Notice(condition=pb.CONDITION_RESTARTING))
    await phone.got("presence", lambda one: one.state == pb.REACHABILITY_RECONNECTING)
    message_id = await phone.post(b"do it")
    assert (await phone.refusal(message_id)).reason == Reason.REASON_HOST_UNREACHABLE
    # It stayed on its stream, though it said that it restarts.
    await host.ended()
    assert await relay.metric("dispatch_relay_stream_ends_total", reason="LEASE_LOST", carrier=relay.carrier) == 1


# ---- out of contact


async def test_a_running_task_whose_host_goes_is_counted_and_called_out(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    over, running = new_id(), new_id()
    for task_id in (over, running):
        message_id = await phone.post(b"task" + task_id, task_id=task_id)
        await host.got("handover", lambda one, m=message_id: one.message_id == m)  # type: ignore[misc]
        await host.say(take=pb.Take(message_id=message_id))
        await phone.receipt(message_id)
    await host.receipt(await host.keep(b"result", task_id=over, outcome=pb.OUTCOME_DONE))

    await host.bye(notice=pb.CONDITION_ASLEEP)

    await phone.presence(pb.REACHABILITY_ABSENT, Reason.REASON_HOST_ASLEEP)
    assert await relay.metric("dispatch_relay_host_offline_failures_total", cause="asleep") == 1
    assert await relay.metric("dispatch_relay_tasks_total", outcome="done") == 1
    await until(lambda: relay.push.calls)
    assert relay.push.calls == [(pair.pair_id, pb.PUSH_HINT_NEWS)]
    # A cancel for it is refused as well, but no second task is lost by that.
    cancel = await phone.post(b"cancel", task_id=running)
    assert (await phone.refusal(cancel)).reason == Reason.REASON_HOST_ASLEEP
    assert await relay.metric("dispatch_relay_host_offline_failures_total", cause="asleep") == 1
    assert await relay.metric("dispatch_relay_tasks_total", outcome="refused") == 0
