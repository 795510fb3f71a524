"""Devices revoked, wherever they are at that moment, and what the account's owner sees. Real processes, real commands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.lateness import LATE
from tests.support.processes import BIN, ENVIRONMENT, Event, run
from tests.support.waiting import DEADLINE_SECONDS, until_so
from tests.support.world import World

pytestmark = pytest.mark.big

WORDS = "Which of my files are largest? The canary-7341 sings"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        await world.services()
        yield world


async def on_host(world: World, *words: str, host: str = "desk") -> tuple[int, list[Event]]:
    return await run("dispatch-host", *words, "--home", world.home(host))


async def on_phone(world: World, *words: str, phone: str = "pocket") -> tuple[int, list[Event]]:
    return await run("dispatch-phone", *words, "--home", world.home(phone))


async def devices(world: World) -> dict[str, Event]:
    """List the devices by name, as the phone shows them."""
    code, events = await on_phone(world, "devices")
    assert code == 0, events
    return {event["name"]: event for event in events}


async def thread_of(world: World, phone: str = "pocket") -> list[Event]:
    code, events = await on_host(world, "thread", "--phone", phone)
    assert code == 0, events
    return events


async def history_of(world: World, outcomes: list[str]) -> list[Event]:
    """Read the history until it says this; reports travel behind the tasks, and each reading takes a second by itself."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            code, events = await on_host(world, "history")
            assert code == 0, events
            told = without_late(events)
            if [event["outcome"] for event in told] == outcomes:
                return told


def without_late(history: list[Event]) -> list[Event]:
    """Leave out what was sent again, because this computer was too busy for it."""
    return [event for event in history if event.get("reason") not in LATE]


async def revoke(world: World, device: str, *, by: str = "dispatch-host", at: str = "desk") -> None:
    code, events = await run(by, "revoke", device, "--home", world.home(at))
    assert code == 0, events
    assert (events[-1]["event"], events[-1]["name"]) == ("revoked", device)


def assert_revoked(code: int, events: list[Event]) -> None:
    assert code == 6, events
    assert events[-1]["reason"] == "DEVICE_REVOKED"
    assert events[-1]["advice"]


# ---- A phone.


async def test_a_phone_that_is_revoked_while_it_waits_is_cut_off_and_its_tasks_end(world: World) -> None:
    host = await world.devices(env=world.held())
    phone = await world.start("dispatch-phone", "send", WORDS, "--home", world.home("pocket"))
    await phone.event("started")
    waits = await world.start("dispatch-phone", "send", WORDS, "--home", world.home("pocket"))
    await waits.event("waiting")

    await revoke(world, "pocket")

    for sent in (phone, waits):
        assert_revoked(await sent.ended(), sent.events)
    assert await world.sample('dispatch_relay_stream_ends_total{carrier="grpc",reason="DEVICE_REVOKED"}') >= 1
    assert await world.sample('dispatch_relay_streams{carrier="grpc",kind="phone"}') == 0
    await host.event("unpaired")
    world.let_go()
    code, status = await on_host(world, "status")
    assert (code, status[-1]["pairings"], status[-1]["running_task"]) == (0, [], None)
    assert not [path for path in (world.folder / "desk" / "keys").iterdir() if path.name.startswith("pair-")]
    # What became of its tasks the servers were never told, and say so.
    told = await history_of(world, ["untold", "untold"])
    assert {one["reason"] for one in told} == {"NOT_PAIRED"}


async def test_a_phone_that_is_off_when_it_is_revoked_stays_out_though_its_grant_has_not_expired(world: World) -> None:
    await world.devices()
    code, events = await world.send("What are the largest files?")
    assert code == 0, events

    await revoke(world, "pocket")
    # Only its grant is left to it: nobody is there to ask for another.
    await world.pairing.stop()

    code, events = await world.send("What are the largest files?")
    assert_revoked(code, events)


async def test_a_phone_that_is_revoked_while_the_relay_is_down_finds_it_closed(world: World) -> None:
    host = await world.devices()
    code, events = await world.send("What are the largest files?")
    assert code == 0, events
    await world.relay.stop()

    await revoke(world, "pocket")

    await world.start_relay(listen=world.relay_address)

    async def has_heard() -> bool:
        return await world.sample("dispatch_relay_trust_feed_connected") == 1

    await until_so(has_heard)
    code, events = await world.send("What are the largest files?")
    assert_revoked(code, events)
    await host.event("unpaired")


async def test_while_the_pairing_service_is_down_nothing_is_revoked_and_that_is_said(world: World) -> None:
    await world.devices()
    code, events = await world.send("What are the largest files?")
    assert code == 0, events
    await world.pairing.stop()

    for command in (("revoke", "pocket"), ("rename", "pocket", "x"), ("devices",), ("history",)):
        code, events = await on_host(world, *command)
        assert (code, events[-1]["reason"]) == (7, "NO_NETWORK"), command

    code, events = await world.send("What are the largest files?")
    assert code == 0, events


async def test_a_revoked_phone_signs_in_as_a_new_one_and_is_paired_again(world: World) -> None:
    await world.devices()
    before = (await devices(world))["pocket"]
    await revoke(world, "pocket")
    code, events = await on_phone(world, "devices")
    assert_revoked(code, events)

    await world.sign_in("dispatch-phone", "pocket")

    after = (await devices(world))["pocket"]
    assert after["this_device"]
    assert after["device_id"] != before["device_id"]
    code, events = await world.send("What are the largest files?")
    assert (code, events[-1]["reason"]) == (6, "NOT_PAIRED")
    code, events = await on_host(world, "stop")
    await world.pair("desk", "pocket")
    await world.run_host("desk")
    code, events = await world.send("What are the largest files?")
    assert code == 0, events


async def test_a_device_may_revoke_itself(world: World) -> None:
    await world.devices()

    await revoke(world, "pocket", by="dispatch-phone", at="pocket")

    code, events = await world.send("What are the largest files?")
    assert_revoked(code, events)


# ---- A host.


async def test_a_host_that_is_revoked_ends_and_its_phone_is_told_and_both_start_afresh(world: World) -> None:
    host = await world.devices()
    code, events = await world.send("What are the largest files?")
    assert code == 0, events

    await revoke(world, "desk", by="dispatch-phone", at="pocket")

    assert_revoked(await host.ended(), host.events)
    code, events = await world.send("What are the largest files?")
    assert (code, events[-1]["reason"]) == (3, "HOST_REVOKED")
    code, events = await on_host(world, "run")
    assert_revoked(code, events)

    await world.sign_in("dispatch-host", "desk")
    await world.pair("desk", "pocket")
    await world.run_host("desk")
    code, events = await world.send("How much disk do my folders use?")
    assert code == 0, events
    # The thread that they had goes on.
    asked = [event["text"] for event in await thread_of(world) if event["event"] == "accepted"]
    assert asked == ["What are the largest files?", "How much disk do my folders use?"]


async def test_the_host_alone_ends_a_pairing_while_no_server_can_be_reached(world: World) -> None:
    host = await world.devices()
    code, events = await world.send("What are the largest files?")
    assert code == 0, events
    await world.relay.stop()
    await world.pairing.stop()

    code, events = await on_host(world, "unpair", "--phone", "pocket")

    assert (code, events[-1]["event"], events[-1]["service_told"]) == (0, "unpaired", False)
    assert not [path for path in (world.folder / "desk" / "keys").iterdir() if path.name.startswith("pair-")]
    # The relay comes back first: it has not heard of it, and lets the phone in. The host does not answer.
    await world.start_relay(listen=world.relay_address)
    code, events = await world.send("What are the largest files?", late=())
    assert code in {3, 7}, events
    await world.start_pairing(listen=world.server)
    assert host.returncode is None
    code, thread = await on_phone(world, "thread")
    assert [event["text"] for event in thread if event["event"] == "accepted"] == ["What are the largest files?"]


# ---- Several phones.


async def test_several_phones_share_a_host_and_each_is_revoked_alone(world: World) -> None:
    host = await world.devices()
    await world.sign_in("dispatch-phone", "tablet")
    code, _ = await on_host(world, "stop")
    assert await host.ended() == code == 0
    await world.pair("desk", "tablet")
    await world.run_host("desk")

    for phone, words in (("pocket", "What are the largest files?"), ("tablet", "How much disk do my folders use?")):
        code, events = await world.send(words, phone=phone)
        assert code == 0, events
    threads = {phone: await thread_of(world, phone) for phone in ("pocket", "tablet")}
    assert [[event["text"] for event in thread if event["event"] == "accepted"] for thread in threads.values()] == [
        ["What are the largest files?"],
        ["How much disk do my folders use?"],
    ]
    listed = await devices(world)
    assert {one["name"] for one in listed["desk"]["paired_with"]} == {"pocket", "tablet"}

    await revoke(world, "pocket", by="dispatch-phone", at="tablet")

    code, events = await world.send("What are the largest files?", phone="pocket")
    assert_revoked(code, events)
    code, events = await world.send("What are the largest files?", phone="tablet")
    assert code == 0, events


async def test_tasks_of_two_phones_run_one_at_a_time_and_the_host_says_whose(world: World) -> None:
    host = await world.devices()
    await world.sign_in("dispatch-phone", "tablet")
    code, _ = await on_host(world, "stop")
    assert await host.ended() == code == 0
    await world.pair("desk", "tablet")
    await world.run_host("desk")

    sends = [
        await world.start("dispatch-phone", "send", "What are the largest files?", "--home", world.home(phone))
        for phone in ("pocket", "tablet", "pocket", "tablet")
    ]
    assert [await send.ended() for send in sends] == [0, 0, 0, 0]

    spans = []
    for phone in ("pocket", "tablet"):
        thread = await thread_of(world, phone)
        for task_id in {event["task_id"] for event in thread if event["event"] == "accepted"}:
            own = {event["event"]: event["at"] for event in thread if event.get("task_id") == task_id}
            spans.append((own["started"], own["ended"]))
    spans.sort()
    assert len(spans) == 4
    assert all(ended <= started for (_, ended), (started, _) in pairwise(spans))
    told = await history_of(world, ["done"] * 4)
    assert sorted(event["phone"] for event in told) == ["pocket", "pocket", "tablet", "tablet"]


# ---- What the owner sees.


async def test_both_devices_read_the_same_history_and_no_content_is_in_it(world: World) -> None:
    host = await world.devices()
    code, done = await world.send(WORDS)
    assert code in {0, 4}, done
    await host.stop()
    code, refused = await world.send(WORDS)
    assert code == 3, refused

    on_desk = await history_of(world, ["refused", done[-1]["state"]])
    code, on_pocket = await on_phone(world, "history")
    assert (code, without_late(on_pocket)) == (0, on_desk)
    newest, oldest = on_desk
    assert (newest["outcome"], newest["reason"]) == ("refused", "HOST_APP_CLOSED")
    assert (oldest["outcome"], oldest["task_id"]) == (done[-1]["state"], done[-1]["task_id"])
    assert oldest["at"] <= oldest["ended_at"]
    assert oldest["duration_ms"] == oldest["ended_at"] - oldest["at"]
    assert {(one["phone"], one["host"]) for one in (newest, oldest)} == {("pocket", "desk")}
    for file in (world.folder / "pairing").iterdir():
        assert b"canary-7341" not in file.read_bytes()
    code, one = await on_phone(world, "history", "--limit", "1")
    assert one == [newest]


async def test_a_device_is_renamed_and_then_known_by_that_name(world: World) -> None:
    await world.devices()

    code, events = await on_host(world, "rename", "pocket", "Ada's phone")

    assert (code, events[-1]["event"], events[-1]["before"]) == (0, "renamed", "pocket")
    assert set(await devices(world)) == {"desk", "Ada's phone"}
    code, events = await on_host(world, "rename", "pocket", "x")
    assert (code, events[-1]["reason"]) == (2, "DEVICE_UNKNOWN")


async def test_of_several_devices_with_one_name_the_id_says_which(world: World) -> None:
    await world.devices()
    await world.sign_in("dispatch-phone", "tablet")
    code, _ = await on_phone(world, "rename", "tablet", "pocket")
    assert code == 0

    code, events = await on_host(world, "revoke", "pocket")

    assert (code, events[-1]["reason"]) == (2, "TARGET_NEEDED")
    listed = [event for event in events if event["event"] == "device"]
    assert [event["name"] for event in listed] == ["pocket", "pocket"]
    (other,) = [event for event in listed if not event["paired_with"]]
    code, events = await on_host(world, "revoke", other["device_id"])
    assert (code, events[-1]["event"]) == (0, "revoked")
    code, events = await world.send("What are the largest files?")
    assert code == 0, events


# ---- A person at a terminal.


async def in_a_terminal(*words: str, answer: str) -> tuple[int, str]:
    """Run a program at a terminal, answer its question; gives its exit code and what it printed."""
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        str(BIN / words[0]), *words[1:], stdin=theirs, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            said = await process.stdout.readuntil(b"Type yes or no: ")
            os.write(ours, answer.encode() + b"\n")
            said += await process.stdout.read()
            return await process.wait(), said.decode()
    finally:
        if process.returncode is None:
            process.kill()
        os.close(ours)
        os.close(theirs)


async def test_a_person_is_asked_before_a_device_is_revoked(world: World) -> None:
    host = await world.devices(env=world.held())

    code, said = await in_a_terminal("dispatch-host", "revoke", "pocket", "--home", world.home("desk"), answer="no")
    assert (code, "pocket keeps its rights" in said) == (5, True)

    # Also when another process of the phone owns its home, and carries it out.
    owner = await world.start("dispatch-phone", "send", WORDS, "--home", world.home("pocket"))
    await owner.event("started")
    code, said = await in_a_terminal("dispatch-phone", "revoke", "desk", "--home", world.home("pocket"), answer="yes")
    assert (code, "desk is revoked" in said) == (0, True)
    assert await owner.ended() == 3
    assert owner.events[-1]["reason"] == "HOST_REVOKED"
    assert_revoked(await host.ended(), host.events)
