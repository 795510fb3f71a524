"""A phone sends tasks through a real relay to a host made by hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay_pb
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.device.sign_in import SignIn
from mobile_sim.patience import USUAL
from mobile_sim.phone import Phone

from tests.support.host_bench import MovedClock
from tests.support.host_end import HostEnd
from tests.support.pairing_service import PairingService
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import HASTY, Event, SeededPhone, send_request
from tests.support.trust_service import TrustService
from tests.support.waiting import DEADLINE_SECONDS, until


@pytest.fixture
def lease_ms() -> int:
    return 60_000


@pytest.fixture
def valid_for_ms() -> int:
    return QUICK.valid_for_ms


@pytest.fixture
async def relay(tmp_path: Path, lease_ms: int, valid_for_ms: int) -> AsyncIterator[Relay]:
    settings = replace(QUICK, lease_ms=lease_ms, valid_for_ms=valid_for_ms)
    async with Relay(tmp_path / "relay", settings=settings) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path, relay: Relay) -> SeededPhone:
    return SeededPhone.make(tmp_path / "phone")


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[HostEnd]:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as attached:
        yield attached


def names(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]


async def test_a_task_is_sent_accepted_and_its_result_shown(phone: SeededPhone, host: HostEnd) -> None:
    code, events = await phone.send("Which files are largest?")

    assert code == 0
    assert names(events) == ["sent", "handed_over", "accepted", "started", "step", "text", "done"]
    assert events[-1]["text"] == "All done."
    assert len({event["task_id"] for event in events}) == 1
    assert host.mind.heads == host.mind.heads[:1]


async def test_a_host_that_never_connected_is_said_so_and_nothing_runs_later(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])

    code, events = await phone.send("build it")

    assert code == 3
    assert names(events) == ["sent", "refused"]
    assert events[-1]["reason"] == "HOST_NEVER_CONNECTED"
    async with HostEnd(mind, device, relay.address) as host:
        assert (await phone.send("another"))[0] == 0
        assert len(host.ran) == 1


@pytest.mark.parametrize(
    ("condition", "reason"),
    [(relay_pb.CONDITION_APP_CLOSED, "HOST_APP_CLOSED"), (relay_pb.CONDITION_ASLEEP, "HOST_ASLEEP")],
)
async def test_a_host_that_said_why_it_goes_is_refused_with_that_cause(
    phone: SeededPhone, host: HostEnd, condition: relay_pb.Condition.ValueType, reason: str
) -> None:
    await host.close(condition)

    code, events = await phone.send("build it")

    assert (code, events[-1]["reason"]) == (3, reason)
    assert events[-1]["advice"]


@pytest.mark.parametrize("lease_ms", [1_500])  # which is lost
async def test_a_host_that_vanished_is_refused_as_unreachable_once_its_lease_is_over(
    phone: SeededPhone, host: HostEnd
) -> None:
    await host.vanish()

    code, events = await phone.send("build it")

    assert (code, events[-1]["reason"]) == (3, "HOST_UNREACHABLE")


@pytest.mark.parametrize("lease_ms", [1_500])  # which is lost
async def test_a_frozen_host_is_refused_and_runs_nothing_when_it_thaws(phone: SeededPhone, host: HostEnd) -> None:
    host.deaf = host.silent = host.end.frozen = True

    code, events = await phone.send("build it")

    assert (code, events[-1]["reason"]) == (3, "HOST_UNREACHABLE")
    assert host.ran == []


@pytest.mark.parametrize("valid_for_ms", [4_000])
async def test_a_host_that_does_not_take_it_in_time_is_refused_for_good(phone: SeededPhone, host: HostEnd) -> None:
    host.silent = True

    code, events = await phone.send("build it")

    assert (code, events[-1]["reason"]) == (9, "NOT_TAKEN_IN_TIME")
    assert events[-1]["attempt"] == 1


async def test_a_host_without_a_session_gets_the_next_attempt_after_a_handshake(
    phone: SeededPhone, host: HostEnd
) -> None:
    host.deaf = True

    def hears_again(command: words.UpCommand | None) -> Reason.ValueType | None:
        host.deaf = False
        return Reason.REASON_SESSION_NEEDED if command is None else None

    host.decide = hears_again
    phone.patience = replace(USUAL, shake_seconds=4.0, command_seconds=30.0)
    code, events = await phone.send("build it")

    assert code == 0
    assert [event["attempt"] for event in events if event["event"] == "sent"] == [1, 2]
    assert len(host.ran) == 1


async def test_a_command_of_an_old_epoch_goes_out_again_by_itself(phone: SeededPhone, host: HostEnd) -> None:
    answers = iter([Reason.REASON_STALE_EPOCH, None])
    host.decide = lambda _: next(answers)

    code, events = await phone.send("build it")

    assert code == 0
    assert [event["attempt"] for event in events if event["event"] == "sent"] == [1, 2]
    assert host.mind.handshakes == 2
    assert len(host.ran) == 1


async def test_a_command_in_time_here_and_late_by_the_hosts_clock_goes_out_once_more_in_another_session_and_no_third_time(
    phone: SeededPhone, host: HostEnd
) -> None:
    answers = iter([Reason.REASON_DEADLINE_PASSED, None, Reason.REASON_DEADLINE_PASSED, Reason.REASON_DEADLINE_PASSED])
    host.decide = lambda _: next(answers)
    async with phone.desk() as desk:
        events: list[Event] = []
        assert await desk.do(send_request("build it"), say=events.append, hear=no) == 0
        assert [event["attempt"] for event in events if event["event"] == "sent"] == [1, 2]
        assert host.mind.handshakes == 2

        assert await desk.do(send_request("build it once more"), say=events.append, hear=no) == 9
    assert (events[-1]["reason"], events[-1]["attempt"]) == ("DEADLINE_PASSED", 2)
    assert len(host.ran) == 1


async def test_a_refusal_that_a_handshake_does_not_mend_is_final(phone: SeededPhone, host: HostEnd) -> None:
    host.decide = lambda _: Reason.REASON_QUEUE_FULL

    code, events = await phone.send("build it")

    assert (code, events[-1]["reason"], events[-1]["attempt"]) == (9, "QUEUE_FULL", 1)


async def test_the_same_id_shows_the_state_of_a_task_that_was_accepted(phone: SeededPhone, host: HostEnd) -> None:
    _, first = await phone.send("build it")
    task_id = first[-1]["task_id"]

    code, events = await phone.send("build it", id=task_id)

    assert code == 0
    assert "sent" not in names(events)
    assert (events[-1]["state"], events[-1]["text"]) == ("done", "All done.")
    assert len(host.ran) == 1


async def test_the_same_id_is_the_next_attempt_of_a_task_that_was_refused(phone: SeededPhone, host: HostEnd) -> None:
    host.decide = lambda _: Reason.REASON_QUEUE_FULL
    _, first = await phone.send("build it")
    host.decide = lambda _: None

    code, events = await phone.send("build it", id=first[-1]["task_id"])

    assert code == 0
    assert [command.attempt for command in host.mind.commands] == [1, 2]
    assert names(events)[0] == "sent"


async def test_an_id_with_other_words_is_refused_and_nothing_is_sent(phone: SeededPhone, host: HostEnd) -> None:
    _, first = await phone.send("build it")

    code, events = await phone.send("tear it down", id=first[-1]["task_id"])

    assert (code, events[-1]["state"], events[-1]["reason"]) == (9, "refused", "ID_REUSED")
    assert len(host.handed_over) == 1


async def test_when_the_wait_is_over_the_state_is_said_and_the_task_goes_on(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    async with phone.desk() as desk:
        events: list[Event] = []
        sending = asyncio.create_task(desk.do(send_request("a", wait=10.0), say=events.append, hear=no))
        await until(lambda: host.ran)
        await host.accept(host.mind.commands[0])

        assert await sending == 8
        assert events[-1]["state"] == "accepted"


async def test_without_a_relay_nothing_is_sent_and_nothing_goes_out_later(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    await relay.stop()

    phone.patience = HASTY
    code, events = await phone.send("build it")
    phone.patience = USUAL

    assert (code, names(events), events[-1]["reason"]) == (7, ["not_sent"], "NO_NETWORK")
    await relay.start()
    async with HostEnd(mind, device, relay.address) as host:
        assert (await phone.send("another"))[0] == 0
        assert [command.task_id.hex() for command in host.mind.commands] == host.ran
        assert len(host.ran) == 1


@pytest.mark.parametrize("lease_ms", [1_500])  # which is lost
async def test_a_host_that_vanishes_after_it_accepted_is_out_of_contact_until_it_is_back(
    phone: SeededPhone, host: HostEnd
) -> None:
    host.works = False
    events: list[Event] = []
    async with phone.desk() as desk:
        sending = asyncio.create_task(desk.do(send_request("a"), say=events.append, hear=no))
        await until(lambda: host.ran)
        command = host.mind.commands[0]
        await host.accept(command)
        await until(lambda: "accepted" in names(events))
        await host.vanish()
        await until(lambda: "out_of_contact" in names(events))
        assert next(e for e in events if e["event"] == "out_of_contact")["reason"] == "HOST_UNREACHABLE"
        host.device.instance = b"another process."
        await host.attach()
        await until(lambda: "back" in names(events))
        await until(lambda: host.mind.handshakes >= 2)
        await host.say(task_id=command.task_id, ended=words.Ended(outcome=relay_pb.OUTCOME_INTERRUPTED))
        assert await sending == 4
    assert events[-1]["state"] == "interrupted"


async def test_partial_text_is_shown_and_the_result_repeats_it(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    events: list[Event] = []
    async with phone.desk() as desk:
        sending = asyncio.create_task(desk.do(send_request("a"), say=events.append, hear=no))
        await until(lambda: host.ran)
        await host.partial(host.mind.commands[0].task_id, "All ")
        await until(lambda: any(event.get("partial") for event in events))
        await host.finish(host.mind.commands[0])
        assert await sending == 0
    assert events[-1]["text"] == "All done."


async def test_cancel_ends_the_task_for_whoever_follows_it(phone: SeededPhone, host: HostEnd) -> None:
    host.works = False
    events: list[Event] = []
    said: list[Event] = []
    async with phone.desk() as desk:
        sending = asyncio.create_task(desk.do(send_request("a"), say=events.append, hear=no))
        await until(lambda: host.ran)
        await host.accept(host.mind.commands[0])
        task_id = str(UUID(bytes=host.mind.commands[0].task_id))

        assert await desk.do({"do": "cancel", "id": task_id}, say=said.append, hear=no) == 0
        assert await sending == 4
    assert names(said) == ["cancelling", "cancelled"]
    assert events[-1]["state"] == "cancelled"


async def test_with_several_hosts_one_must_be_named_and_only_that_one_gets_it(
    phone: SeededPhone, host: HostEnd, relay: Relay
) -> None:
    mind, device = phone.pair(relay.trust, [relay.address], host="attic")
    async with HostEnd(mind, device, relay.address) as attic:
        with pytest.raises(errors.TargetNeeded) as refused:
            await phone.send("build it")
        assert refused.value.said() == {"hosts": ["desk", "attic"]}

        code, events = await phone.send("build it", host="attic")

        assert (code, events[-1]["host"]) == (0, "attic")
        assert (len(host.ran), len(attic.ran)) == (0, 1)
        with pytest.raises(errors.TargetUnknown):
            await phone.send("build it", host="cellar")


async def no() -> bool:
    raise AssertionError("nobody was to be asked")


async def test_the_thread_asks_for_what_the_relay_never_had(phone: SeededPhone, host: HostEnd) -> None:
    await phone.send("build it")
    host.mind.event(steered=words.Steered(text="never posted"))

    phone.patience = replace(phone.patience, sync_seconds=DEADLINE_SECONDS)
    lines = await phone.thread()

    assert lines[-1]["event"] == "steered"
    assert host.mind.resends == [(6, 6)]


async def test_what_came_while_the_phone_was_away_is_read_though_the_host_is_gone_by_then(
    phone: SeededPhone, host: HostEnd
) -> None:
    await phone.send("build it")
    for number in range(3):
        await host.say(steered=words.Steered(text=str(number)))
    await host.close(relay_pb.CONDITION_ASLEEP)

    phone.patience = replace(phone.patience, sync_seconds=DEADLINE_SECONDS)
    lines = await phone.thread()

    assert [line["text"] for line in lines if line["event"] == "steered"] == ["0", "1", "2"]
    assert await phone.thread() == lines


async def test_a_phone_dials_its_relay_as_it_signed_in_also_while_the_pairing_service_is_away(tmp_path: Path) -> None:
    async with TrustService() as trust:
        seeded = SeededPhone.make(tmp_path)
        seeded.pair(trust, ["relay.test:443"])
        with seeded.store() as store, store.transaction():
            kept = store.pairings.right(seeded.pair_id())
            store.pairings.set_right(seeded.pair_id(), replace(kept, renew_at_ms=0))
        async with Phone.opened(Home(tmp_path), clock=SystemClock(), rng=os.urandom, plaintext=True) as phone:
            right = await phone.line(phone.host(None)).right(fresh=False)

    assert right.grant == kept.grant
    assert right.dialler == SignIn.required(Home(tmp_path)).dialler(plaintext=True)


async def test_a_phone_that_gets_no_grant_for_a_handshake_until_it_signs_in_says_so(
    tmp_path: Path, relay: Relay
) -> None:
    async with PairingService(tmp_path / "pairing") as service:  # which knows no sign-in of this phone
        seeded = SeededPhone.make(tmp_path / "phone", server=service.listen)
        mind, device = seeded.pair(relay.trust, [relay.address])
        clock = MovedClock()
        with seeded.store() as store, store.transaction():
            kept = store.pairings.right(seeded.pair_id())
            store.pairings.set_right(seeded.pair_id(), replace(kept, renew_at_ms=clock.wall_ms() + 3_600_000))
        async with Phone.opened(Home(seeded.path), clock=clock, rng=os.urandom, plaintext=True) as phone:
            line = phone.line(phone.host(None))
            await until(lambda: line.seen)  # attached by the grant that was kept
            clock.wall_ahead_ms = 7_200_000
            async with HostEnd(mind, device, relay.address):
                await until(lambda: line.final)

    assert line.error is not None
    assert line.error.reason == Reason.REASON_SIGN_IN_REQUIRED
