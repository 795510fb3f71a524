"""Calls to the person: each cause calls who does not look, once, and a relay that is killed neither forgets nor doubles one."""

from __future__ import annotations

import sqlite3

import pytest
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd
from tests.support.relay import Pair, Relay
from tests.support.waiting import until


async def busy_host(relay: Relay, pair: Pair, *, looking: bool = False) -> tuple[DeviceEnd, DeviceEnd]:
    """Attach host and phone, with a task that is not over."""
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone, looking=looking)
    command = await phone.post(b"a long task")
    await host.got("handover")
    await host.say(take=pb.Take(message_id=command))
    await phone.receipt(command)
    return host, phone


def recorded(relay: Relay) -> list[str]:
    """Give what became of each call, as the relay keeps it; empty for one that is owed."""
    with sqlite3.connect(relay.data / "relay.sqlite3") as store:
        return [outcome for (outcome,) in store.execute("SELECT outcome FROM call ORDER BY number")]


async def goes(host: DeviceEnd, how: str) -> None:
    """Let a host go, in one of the ways."""
    match how:
        case "asleep":
            await host.bye(notice=pb.CONDITION_ASLEEP)
        case "app closed":
            await host.bye(notice=pb.CONDITION_APP_CLOSED)
        case "cut":
            await host.drop()
        case "frozen":
            host.frozen = True


@pytest.mark.parametrize("how", ["asleep", "app closed", "cut", "frozen"])
@pytest.mark.parametrize("looking", [False, True])
async def test_out_of_contact_calls_who_does_not_look(relay: Relay, how: str, looking: bool) -> None:
    pair = relay.pair()
    host, phone = await busy_host(relay, pair, looking=looking)

    await goes(host, how)
    await phone.presence(pb.REACHABILITY_ABSENT)

    outcome = "suppressed_looking" if looking else "sent"
    await until(lambda: recorded(relay) == [outcome])
    assert len(relay.push.calls) == (0 if looking else 1)
    assert await relay.metric("dispatch_relay_pushes_total", outcome=outcome) == 1


async def test_a_host_that_is_revoked_calls_who_does_not_look(relay: Relay) -> None:
    pair = relay.pair()
    await busy_host(relay, pair)

    await relay.trust.revoke(pair.host.device_id)

    await until(lambda: len(relay.push.calls) == 1)


async def test_the_end_of_a_task_that_is_sealed_anew_calls_nobody_again(calm_relay: Relay) -> None:
    """A host whose receipt was lost seals the row for the next session: other bytes, another id, the same hint."""
    pair = calm_relay.pair()
    host, phone = await busy_host(calm_relay, pair)
    task_id = (await host.got("handover")).handover.task_id
    await phone.drop()
    ended = {"task_id": task_id, "push_hint": pb.PUSH_HINT_NEWS, "outcome": pb.OUTCOME_DONE}

    await host.receipt(await host.keep(b"sealed in one session", **ended))
    await host.receipt(await host.keep(b"sealed in the next", **ended))
    await host.receipt(await host.keep(b"other news", push_hint=pb.PUSH_HINT_NEWS))

    await until(lambda: recorded(calm_relay) == ["sent", "sent"])
    assert len(calm_relay.push.calls) == 2  # for the end, and for the other news


async def killed_before_it_was_known(relay: Relay) -> None:
    """Stop the relay and leave its store as a kill leaves it between the cause of a call and its outcome."""
    await relay.stop()
    relay.push.calls.clear()
    with sqlite3.connect(relay.data / "relay.sqlite3") as store:
        store.execute("UPDATE call SET outcome = ''")


async def test_a_row_whose_call_a_killed_relay_owed_calls_once_when_it_is_back(calm_relay: Relay) -> None:
    host = await calm_relay.attach(calm_relay.pair().host)
    await host.receipt(await host.keep(b"news", push_hint=pb.PUSH_HINT_QUESTION))
    await killed_before_it_was_known(calm_relay)

    await calm_relay.start()
    await until(lambda: recorded(calm_relay) == ["sent"])
    await calm_relay.stop()
    await calm_relay.start()

    assert [hint for _, hint in calm_relay.push.calls] == [pb.PUSH_HINT_QUESTION]


async def test_nobody_is_called_for_a_row_that_the_phone_has(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, phone = await calm_relay.attach(pair.host), await calm_relay.attach(pair.phone)
    await host.receipt(await host.keep(b"news", push_hint=pb.PUSH_HINT_NEWS))
    await phone.got("deliver")
    await phone.say(ack=pb.Ack(through_seq=1))
    await host.got("peer_ack")
    await killed_before_it_was_known(calm_relay)

    await calm_relay.start()

    await until(lambda: recorded(calm_relay) == ["suppressed_looking"])
    assert calm_relay.push.calls == []


async def test_a_killed_relay_that_owed_a_call_for_a_host_calls_if_it_is_still_away(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await busy_host(relay, pair)
    await goes(host, "asleep")
    await phone.presence(pb.REACHABILITY_ABSENT)
    await until(lambda: recorded(relay) == ["sent"])
    await killed_before_it_was_known(relay)

    await relay.start()
    await until(lambda: recorded(relay) == ["sent"])
    await relay.stop()
    await relay.start()

    assert len(relay.push.calls) == 1


async def test_a_host_that_comes_back_to_a_killed_relay_calls_nobody(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, _ = await busy_host(calm_relay, pair)
    await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))
    await until(lambda: recorded(calm_relay) == ["sent"])
    await host.say(notice=pb.Notice(condition=pb.CONDITION_AWAKE))
    await host.receipt(await host.keep(b"behind it"))
    await killed_before_it_was_known(calm_relay)

    await calm_relay.start(restart_grace_ms=60_000)
    await until(lambda: recorded(calm_relay) == ["suppressed_unsteady"])
    await calm_relay.attach(pair.host)

    assert calm_relay.push.calls == []


async def test_what_was_held_back_from_an_unsteady_host_is_called_by_the_next_relay_once(calm_relay: Relay) -> None:
    pair = calm_relay.pair()
    host, _ = await busy_host(calm_relay, pair)
    for _ in range(4):
        await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))
        await host.say(notice=pb.Notice(condition=pb.CONDITION_AWAKE))
    await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP))
    await host.receipt(await host.keep(b"behind all of it"))
    assert len(calm_relay.push.calls) == 2
    assert recorded(calm_relay)[-1] == ""
    await calm_relay.stop()
    calm_relay.push.calls.clear()

    await calm_relay.start()
    await until(lambda: recorded(calm_relay) == ["sent"] * 2 + ["suppressed_unsteady"] * 2 + ["sent"])

    assert len(calm_relay.push.calls) == 1
