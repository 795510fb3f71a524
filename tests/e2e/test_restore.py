"""A backup of services that run, and what devices find when it is put back later: they go on, or hear what to do (docs/backup.md).

Product row P12. What a restored pairing service must do at each step of a ceremony: test_no_stuck_state.py.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from tests.support.lateness import LATE
from tests.support.processes import Event, Process, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World

pytestmark = [pytest.mark.big, pytest.mark.timeout(600)]  # some forty processes, one after the other

TASK = "What are the largest files?"
CLEAR = {"SIGN_IN_REQUIRED", "NOT_PAIRED"}
"""What a device may hear that the backup does not know; each says what to do."""


class HostedWorld(World):
    """A world with a host that can be stopped."""

    host: Process


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[HostedWorld]:
    """Services, a host whose tasks can be held and which is the last that was started, and two phones of its person."""
    world = HostedWorld(tmp_path)
    async with world:
        await world.services()
        hold = world.held()
        world.let_go()
        await world.sign_in("dispatch-phone", "tablet")
        world.host = await world.devices(env=hold)
        seen = len(world.host.events)
        await world.pair("desk", "tablet")
        await world.host.event("connected", after=seen)
        yield world


def kept_in(world: World, program: str, folder: str) -> tuple[str, str]:
    return ("--home" if program == "dispatch-host" else "--data", str(world.folder / folder))


async def back_up(world: World, program: str, folder: str, *options: str) -> Path:
    file = world.folder / f"{folder}.backup"
    code, events = await run(program, "store", "backup", str(file), *options, *kept_in(world, program, folder))
    assert (code, events[0]["event"], events[0]["keys"]) == (0, "backed_up", True), events
    return file


async def restore(world: World, program: str, folder: str, file: Path) -> None:
    (world.folder / folder).rename(world.folder / f"{folder}.lost")
    code, events = await run(program, "store", "restore", str(file), *kept_in(world, program, folder))
    assert (code, events[0]["event"]) == (0, "restored"), events


async def done(world: World, phone: str = "pocket") -> str:
    """Send a task until it is done; refused ones are sent anew, each as a task of its own. Gives its id."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while True:
            code, events = await world.send(TASK, phone=phone)
            if code == 0:
                return str(events[-1]["task_id"])
            assert not any(event["event"] == "accepted" for event in events), events


async def refused(world: World, phone: str, late: Collection[str] = LATE) -> Event:
    """Send a task that must come to nothing; gives the last that was said."""
    code, events = await world.send(TASK, phone=phone, late=late)
    assert code != 0, events
    assert not any(event["event"] in {"accepted", "started"} for event in events)
    return events[-1]


async def test_devices_go_on_after_a_restore_or_hear_what_to_do_and_no_task_runs_twice(world: HostedWorld) -> None:
    tasks = [await done(world)]
    world.hold_again()
    phone = await world.start("dispatch-phone", "send", TASK, "--home", world.home("pocket"))
    running = await phone.event("started")
    tasks.append(running["task_id"])

    of_pairing = await back_up(world, "dispatch-pairing", "pairing")
    of_relay = await back_up(world, "dispatch-relay", "relay")
    of_host = await back_up(world, "dispatch-host", "desk", "--keys")

    # Life goes on: the task ends, another is done.
    world.let_go()
    assert await phone.ended() == 0
    tasks.append(await done(world))

    # The computer loses its home, and is what it was: both phones go on with it, and neither signs in or pairs.
    world.host.signal(signal.SIGKILL)
    await world.host.ended()
    await restore(world, "dispatch-host", "desk", of_host)
    world.host = await world.run_host("desk")
    tasks.append(await done(world))
    await done(world, phone="tablet")

    # A third phone comes, the second is lost and revoked.
    await world.sign_in("dispatch-phone", "watch")
    await world.pair("desk", "watch")
    code, events = await run("dispatch-phone", "revoke", "tablet", "--home", world.home("pocket"))
    assert code == 0, events
    assert (await world.host.event("unpaired"))["phone"] == "tablet"  # before the service forgets that it is

    # The pairing service is lost, and is what it was; the relay knows what was revoked since.
    await world.pairing.stop()
    await restore(world, "dispatch-pairing", "pairing", of_pairing)
    await world.start_pairing(listen=world.server)
    tasks.append(await done(world))
    assert (await refused(world, "tablet"))["reason"] == "DEVICE_REVOKED"
    assert (await refused(world, "watch"))["reason"] in CLEAR
    # It signs in again; its host tells the service of the pairing when it next asks for a grant, at the latest at its next start.
    await world.sign_in("dispatch-phone", "watch")
    assert await world.host.stop() == 0
    world.host = await world.run_host("desk")
    await done(world, phone="watch")

    # The relay is lost, too: its thread ends in the middle of the second task.
    await world.relay.stop()
    await restore(world, "dispatch-relay", "relay", of_relay)
    await world.start_relay(listen=world.relay_address)
    tasks.append(await done(world))
    await refused(world, "tablet", late=())  # now by nobody but the host, which has forgotten it

    code, thread = await run("dispatch-phone", "thread", "--home", world.home("pocket"))
    assert code == 0
    for event in ("accepted", "started"):
        times = Counter(one["task_id"] for one in thread if one["event"] == event)
        assert times == dict.fromkeys(tasks, 1), (event, thread)
    # Of the task that ran at the moment of its backup the computer knew that it ran, and says behind the mark that it does no more.
    ends = {
        task: [one["outcome"] for one in thread if one["event"] == "ended" and one["task_id"] == task] for task in tasks
    }
    assert ends == {key: ["done"] for key in tasks} | {running["task_id"]: ["done", "interrupted"]}
    assert [one["event"] for one in thread].count("restored") == 1
