"""A real host and real phones on two relays, PostgreSQL and NATS: tasks are under way while each of these ends or is put back.

test_relays.py has the same with devices made by hand, which are at the relay that the test wants.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.support.lateness import never_started
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, run
from tests.support.scaled_world import RELAYS, ScaledWorld, times
from tests.support.waiting import DEADLINE_SECONDS, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

TASK = "What are the largest files?"
PHONES = ("pocket", "tablet")
NEVER_RAN = {"refused", "not_sent"}
"""How a task may stand with its phone that no host ever has."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    postgres: PostgresServer, nats: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ScaledWorld]:
    """Services, a host whose tasks can be held, and two phones of its person."""
    async with ScaledWorld(tmp_path_factory.mktemp("scaled"), postgres=postgres, nats=nats) as world:
        await world.services()
        hold = world.held()
        world.let_go()
        await world.sign_in("dispatch-phone", PHONES[1])
        host = await world.devices(env=hold)
        seen = len(host.events)
        await world.pair("desk", PHONES[1])
        await host.event("connected", after=seen)
        yield world


async def begin(world: ScaledWorld) -> list[Process]:
    """Send a task from each phone."""
    words = [("dispatch-phone", "send", TASK, "--home", world.home(phone)) for phone in PHONES]
    return list(await asyncio.gather(*(world.start(*one) for one in words)))


async def sent(world: ScaledWorld, phone: str, *, until: str) -> Process:
    """Send a task until it has come so far; refused ones are sent anew, each as a task of its own. Gives who sends it."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while True:
            sending = await world.start("dispatch-phone", "send", TASK, "--home", world.home(phone))
            async for event in sending.stream():
                if event["event"] == until:
                    return sending
            assert sending.events[-1]["state"] in NEVER_RAN or never_started(sending.events[-1]), sending


async def fates(*phones: Process) -> dict[str, str]:
    """Wait until phones have said how their tasks ended; gives that by task."""
    await asyncio.gather(*(one.ended() for one in phones))
    return {one.events[-1]["task_id"]: one.events[-1]["state"] for one in phones}


async def done(world: ScaledWorld) -> str:
    """Send a task until it is done; refused ones are sent anew, each as a task of its own. Gives its id."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while True:
            code, events = await world.send(TASK)
            if code == 0:
                return str(events[-1]["task_id"])
            assert events[-1]["state"] in NEVER_RAN or never_started(events[-1]), events


async def meanwhile(
    world: ScaledWorld, ends: Callable[[], Awaitable[object]], comes_back: Callable[[], Awaitable[object]]
) -> dict[str, str]:
    """Let something end, and come back, while a task of each phone is held on the host and another of each is being sent.

    Gives the fate of all four. Those that the host had are done.
    """
    world.hold_again()
    held = await asyncio.gather(*(sent(world, phone, until="accepted") for phone in PHONES))
    # Which one is first the host says; the other waits behind it.
    await until(lambda: any(event["event"] == "started" for one in held for event in one.events))
    try:
        await ends()
        others = await begin(world)
        await comes_back()
    finally:
        world.let_go()
    found = await fates(*held)
    assert set(found.values()) == {"done"}
    return found | await fates(*others)


async def test_every_task_that_is_under_way_while_a_relay_the_database_or_the_bus_ends_is_done_once(
    world: ScaledWorld,
) -> None:
    """One story: each fault begins when all is well again."""
    before = await world.tasks()
    killed: list[int] = []

    async def kill_a_relay() -> None:
        killed.append(await world.kill_relay_with_most_seats())

    def thread(do: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        return lambda: asyncio.to_thread(do)

    told = await meanwhile(world, kill_a_relay, lambda: world.serve_relay(killed[0]))
    told |= await meanwhile(world, thread(world.postgres.kill), thread(world.postgres.start))
    told |= await meanwhile(world, thread(world.nats.kill), thread(world.nats.start))

    assert len(told) == 12
    late = await world.tasks_never_started()
    ran = {task: state for task, state in told.items() if state not in NEVER_RAN and task not in late}
    assert set(ran.values()) == {"done"}
    # The host has each of these once, and nothing of those whose phone says that they never ran.
    assert await world.tasks() == before | {task: ["done"] for task in ran}
    threads = [await world.thread(phone) for phone in PHONES]
    for event in ("accepted", "started", "ended"):
        counted = sum((times(one, event) for one in threads), start=times([], event))
        assert counted == dict.fromkeys((before | ran).keys() | (late if event != "started" else set()), 1), event


async def is_revoked(world: ScaledWorld, phone: str) -> bool:
    code, events = await run("dispatch-phone", "devices", "--home", world.home(PHONES[0]))
    assert code == 0, events
    return next(one["revoked_at"] is not None for one in events if one.get("name") == phone)


async def test_databases_that_are_put_back_from_a_dump_go_on_with_the_devices_that_there_are(
    world: ScaledWorld,
) -> None:
    """docs/backup.md, PostgreSQL: dumped while they are used, restored into empty ones, and the services started on those."""
    before = await world.tasks()
    tasks = [await done(world)]
    world.hold_again()
    phone = await sent(world, PHONES[0], until="started")
    tasks.append((await phone.event("started"))["task_id"])
    dumps = {service: world.folder / f"{service}.dump" for service in world.databases}
    for service, file in dumps.items():
        await asyncio.to_thread(world.postgres.dump, world.databases[service], file)

    # Life goes on: the task ends, another is done, a phone is lost and revoked.
    world.let_go()
    assert await phone.ended() == 0
    tasks.append(await done(world))
    code, events = await run("dispatch-phone", "revoke", PHONES[1], "--home", world.home(PHONES[0]))
    assert code == 0, events
    await until(lambda: all(world.revoked_at(number) == 1 for number in range(RELAYS)))
    await world.stop_services()
    for service, file in dumps.items():
        world.keep_in(service, await world.postgres.restore(file))
    await world.start_services()

    tasks.append(await done(world))
    assert await world.tasks() == before | {task: ["done"] for task in tasks}
    thread = await world.thread(PHONES[0])
    for event in ("accepted", "started", "ended"):
        counted = times(thread, event)
        assert {task: counted[task] for task in tasks} == dict.fromkeys(tasks, 1)
    # The relays remember what was revoked since, in `trust.sqlite3`; the pairing service does not, until it is told.
    code, events = await world.send(TASK, phone=PHONES[1])
    assert (code != 0, events[-1]["reason"]) == (True, "DEVICE_REVOKED")
    assert not await is_revoked(world, PHONES[1])
    code, events = await run("dispatch-phone", "revoke", PHONES[1], "--home", world.home(PHONES[0]))
    assert code == 0, events
    assert await is_revoked(world, PHONES[1])
