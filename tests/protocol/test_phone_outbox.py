"""What was not sent stays with the person: it is listed, sent again by one word, dropped, and never goes out by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as relay_pb
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.ids import TaskId
from mobile_sim.patience import USUAL
from mobile_sim.store import Task, Verdict

from tests.support.device_end import Identity
from tests.support.host_end import HostEnd
from tests.support.host_mind import HostMind
from tests.support.processes import run
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import HASTY, MOST_BYTES, UNHURRIED, Event, SeededPhone, send_request
from tests.support.waiting import until, until_so


@pytest.fixture
def lease_ms() -> int:
    return 60_000


@pytest.fixture
async def relay(tmp_path: Path, lease_ms: int) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay", settings=replace(QUICK, lease_ms=lease_ms)) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path, relay: Relay) -> SeededPhone:
    return SeededPhone.make(tmp_path / "phone")


@pytest.fixture
def paired(phone: SeededPhone, relay: Relay) -> tuple[HostMind, Identity]:
    return phone.pair(relay.trust, [relay.address])


async def nobody() -> bool:
    raise AssertionError("nobody was to be asked")


async def ask(phone: SeededPhone, do: str, **more: Any) -> tuple[int, list[Event]]:
    """Have the phone do something in this process."""
    events: list[Event] = []
    async with phone.desk() as desk:
        code = await desk.do({"do": do, **more}, say=events.append, hear=nobody)
    return code, events


async def tasks(phone: SeededPhone) -> list[Event]:
    return (await ask(phone, "tasks", host=None, limit=50))[1]


async def test_what_could_not_be_sent_is_kept_said_and_sent_again_by_one_word(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    await relay.stop()
    phone.patience = HASTY
    code, events = await phone.send("build it")
    phone.patience = USUAL
    assert (code, events[-1]["state"]) == (7, "not_sent")
    assert "Nothing was sent." in events[-1]["text"]
    assert "resend" in events[-1]["resend"]
    assert [(one["state"], one["text"]) for one in (await ask(phone, "outbox"))[1]] == [("not_sent", "build it")]
    await relay.start()

    async with HostEnd(*paired, relay.address) as host:
        code, events = await ask(phone, "resend", id=events[-1]["task_id"], wait=None, most_bytes=MOST_BYTES)

        assert (code, events[-1]["state"]) == (0, "done")
        assert len(host.ran) == 1
    assert (await ask(phone, "outbox"))[1] == []


async def test_nothing_in_the_outbox_goes_out_by_itself_whatever_comes_back(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    await relay.stop()
    phone.patience = HASTY
    await phone.send("never sent")
    phone.patience = USUAL
    await relay.start()
    assert (await phone.send("refused: the host never connected"))[0] == 3

    async with HostEnd(*paired, relay.address) as host:
        for do in ("thread", "status", "hosts", "tasks", "outbox"):
            await ask(phone, do, host=None, limit=9, probe=True)
        await host.vanish()
        await host.attach()
        assert (await phone.send("the only one"))[0] == 0

        assert [words.Action.FromString(one.action).task.text for one in host.mind.commands] == ["the only one"]
    assert [one["state"] for one in (await ask(phone, "outbox"))[1]] == ["not_sent", "refused"]


async def test_sent_again_twice_at_once_it_runs_once(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    _, events = await phone.send("build it")
    again = {"do": "resend", "id": events[-1]["task_id"], "wait": None, "most_bytes": MOST_BYTES}

    async with HostEnd(*paired, relay.address) as host, phone.desk() as desk:
        codes = await asyncio.gather(*(desk.do(dict(again), say=lambda _: None, hear=nobody) for _ in range(2)))
        assert codes == [0, 0]
        assert await desk.do(dict(again), say=lambda _: None, hear=nobody) == 0

        assert len(host.ran) == 1


async def test_a_task_that_an_earlier_process_never_got_to_send_is_not_sent_and_stays_so(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    task_id = TaskId(os.urandom(16))
    with phone.store() as store, store.transaction():
        store.tasks.add(
            Task(
                task_id=task_id,
                pair_id=phone.pair_id(),
                text="the process died here",
                made_at_ms=1,
                after_number=0,
                state="new",
            )
        )

    async with HostEnd(*paired, relay.address) as host:
        listed = await tasks(phone)

        assert [(one["state"], one["task_id"]) for one in listed] == [("not_sent", str(UUID(bytes=task_id)))]
        assert host.mind.commands == []


async def test_what_is_dropped_is_gone_with_its_words(phone: SeededPhone, paired: tuple[HostMind, Identity]) -> None:
    _, events = await phone.send("a secret that was never sent")
    task_id = events[-1]["task_id"]

    assert (await ask(phone, "drop", id=task_id))[0] == 0

    assert await tasks(phone) == []
    assert await phone.thread() == []
    with phone.store() as store:
        task = store.tasks.get(TaskId(UUID(task_id).bytes))
        assert task is not None
        assert task.text == ""
    for again in ("drop", "resend"):
        with pytest.raises(errors.TaskUnknown):
            await ask(phone, again, id=task_id, wait=None)


async def test_only_what_never_ran_can_be_dropped(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    async with HostEnd(*paired, relay.address):
        _, events = await phone.send("build it")

    with pytest.raises(errors.TaskOver):
        await ask(phone, "drop", id=events[-1]["task_id"])
    with pytest.raises(errors.TaskUnknown):
        await ask(phone, "drop", id=str(uuid4()))


@pytest.mark.parametrize("lease_ms", [1_500])  # which is lost
async def test_a_task_whose_host_does_not_come_back_is_out_of_contact_and_may_be_dismissed(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    async with HostEnd(*paired, relay.address) as host:
        host.works = False
        async with phone.desk() as desk:
            sending = asyncio.create_task(desk.do(send_request("long work"), say=lambda _: None, hear=nobody))
            await until(lambda: host.ran)
            await host.accept(host.mind.commands[0])
            task_id = str(UUID(bytes=host.mind.commands[0].task_id))
            listed: list[Event] = []

            async def state() -> str:
                listed.clear()
                await desk.do({"do": "tasks", "host": None, "limit": 9}, say=listed.append, hear=nobody)
                return str(listed[0]["state"])

            async def is_in(wanted: str) -> bool:
                return await state() == wanted

            await until_so(lambda: is_in("accepted"))
            with pytest.raises(errors.NotOver) as refused:
                await desk.do({"do": "dismiss", "id": task_id}, say=lambda _: None, hear=nobody)
            assert "cancel" in refused.value.detail
            await host.vanish()
            await until_so(lambda: is_in("out_of_contact"))
            assert listed[0]["reason"] == "HOST_UNREACHABLE"
            assert "nothing is lost" in listed[0]["advice"]

            assert await desk.do({"do": "dismiss", "id": task_id}, say=lambda _: None, hear=nobody) == 0

            assert await state() == "dismissed"
            assert listed[0]["reason"] == "DISMISSED"
            status: list[Event] = []
            await desk.do({"do": "status"}, say=status.append, hear=nobody)
            assert status[0]["hosts"][0]["tasks"] == []
            host.device.instance = b"another process."
            await host.attach()
            await until(lambda: host.mind.handshakes >= 2)
            ended = words.Ended(outcome=relay_pb.OUTCOME_DONE)
            await host.say(task_id=host.mind.commands[0].task_id, ended=ended)
            assert await sending == 0
            assert await state() == "done"


async def test_a_task_that_has_its_go_is_not_called_unsent_by_a_resend_without_a_network(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    async with HostEnd(*paired, relay.address) as host:
        host.works = False
        _, events = await phone.send("build it", wait=0.0)
        task_id = events[-1]["task_id"]
        await until(lambda: host.ran)

        async def has_its_go() -> bool:
            await tasks(phone)
            with phone.store() as store:
                return bool(store.tasks.posts(TaskId(UUID(task_id).bytes), "task")[0].verdict is Verdict.TAKEN)

        await until_so(has_its_go)
        await relay.stop()

        phone.patience = HASTY
        code, events = await ask(phone, "resend", id=task_id, wait=None, most_bytes=MOST_BYTES)

        assert (code, events[-1]["state"], events[-1]["reason"]) == (8, "unconfirmed", "NO_NETWORK")
        assert "Nothing was sent" not in events[-1]["text"]
        assert (await ask(phone, "outbox"))[1] == []
        assert (await ask(phone, "dismiss", id=task_id))[0] == 0
        assert [one["state"] for one in await tasks(phone)] == ["dismissed"]
        phone.patience = USUAL
        await relay.start()
        await host.vanish()
        await host.attach()
        await host.accept(host.mind.commands[0])

        async def is_accepted() -> bool:
            return [one["state"] for one in await tasks(phone)] == ["accepted"]

        await until_so(is_accepted)
        assert "tampering" not in (await tasks(phone))[0]


@pytest.mark.parametrize("lease_ms", [1_500])  # which is lost
async def test_a_task_that_has_its_go_is_out_of_contact_with_its_host_before_the_hosts_own_word(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    async with HostEnd(*paired, relay.address) as host:
        host.works = False
        _, events = await phone.send("build it", wait=0.0)
        await until(lambda: host.ran)

    async def is_out_of_contact() -> bool:
        return [one["state"] for one in await tasks(phone)] == ["out_of_contact"]

    await until_so(is_out_of_contact)
    assert (await tasks(phone))[0]["reason"] == "HOST_UNREACHABLE"
    assert (await ask(phone, "dismiss", id=events[-1]["task_id"]))[0] == 0


@pytest.mark.parametrize("lease_ms", [1_500])  # which is lost
async def test_hosts_and_status_say_how_long_ago_the_host_was_heard_and_what_it_answers(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    phone.patience = UNHURRIED
    async with HostEnd(*paired, relay.address) as host:
        _, (listed,) = await ask(phone, "hosts", probe=True)
        _, (status,) = await ask(phone, "status")

        assert listed["reachability"] == "reachable"
        assert listed["heard_ms_ago"] >= 0
        probe = listed["probe"]
        assert (probe["answered"], probe["busy"], probe["waiting_tasks"]) == (True, True, 2)
        assert status["hosts"][0]["heard_ms_ago"] >= 0
        assert len(host.mind.probes) == 1
    phone.patience = USUAL

    async def is_away() -> bool:
        _, (listed,) = await ask(phone, "hosts", probe=True)
        return bool(listed["reachability"] != "reachable")

    await until_so(is_away)


async def test_a_host_that_does_not_answer_the_probe_is_said_so_though_the_relay_sees_it(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    async with HostEnd(*paired, relay.address) as host:
        host.mind.answers_probes = False
        phone.patience = replace(UNHURRIED, probe_seconds=0.2)

        _, (status,) = await ask(phone, "status", probe=True)

    assert status["hosts"][0]["reachability"] == "reachable"
    assert status["hosts"][0]["probe"]["answered"] is False
    assert status["hosts"][0]["probe"]["reason"] == "PEER_ABSENT"


@pytest.mark.big
async def test_the_program_sends_the_newest_of_the_outbox_again(
    phone: SeededPhone, paired: tuple[HostMind, Identity], relay: Relay
) -> None:
    home = ("--home", str(phone.path))
    code, events = await run("dispatch-phone", "resend", *home)
    assert (code, events[-1]["reason"]) == (9, "TASK_UNKNOWN")
    for text in ("the older", "the newer"):
        await phone.send(text)

    async with HostEnd(*paired, relay.address) as host:
        code, events = await run("dispatch-phone", "resend", *home)

        assert (code, events[-1]["event"]) == (0, "done")
        assert [words.Action.FromString(one.action).task.text for one in host.mind.commands] == ["the newer"]
    code, left = await run("dispatch-phone", "outbox", *home)
    assert [one["text"] for one in left] == ["the older"]
    code, gone = await run("dispatch-phone", "outbox", "drop", left[0]["task_id"], *home)
    assert (code, gone[-1]["event"]) == (0, "dropped")
