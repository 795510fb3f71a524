"""A computer that does something by itself, with real processes between it and the person; its clock is set by libfaketime."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.clocks import Clocks, faketime
from tests.faults.network import Part
from tests.support.processes import Event, run
from tests.support.waiting import until_so
from tests.support.world import World

pytestmark = [
    pytest.mark.big,
    pytest.mark.timeout(600),  # two turns of a minute are waited for
    pytest.mark.skipif(faketime() is None, reason="libfaketime is not on this machine"),
]

MINUTE = 60
BEFORE_SECONDS = 3


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A phone and a host that are paired; the host runs by a clock that shows a moment before the minute."""
    async with World(tmp_path) as world:
        await world.services()
        host = await world.devices()
        (world.folder / "files" / "small.txt").write_text("small")
        code, events = await world.send("What can you do?")
        assert code == 0, events
        await host.stop()
        yield world


async def host_at(world: World, ahead_seconds: int) -> None:
    """Run the host with its clock so far ahead."""
    clocks = Clocks(world.folder)
    clocks.want(Part.HOST, wanted=True)
    clocks.set(Part.HOST, ahead_seconds)
    await world.run_host("desk", env=clocks.environment(Part.HOST))


async def thread(world: World, name: str) -> list[Event]:
    """Give the events of a kind in the phone's thread, when the first has come: a look asks for what is new for a moment only."""
    found: list[Event] = []

    async def there() -> list[Event]:
        nonlocal found
        _, events = await run("dispatch-phone", "thread", "--home", world.home("pocket"))
        found = [event for event in events if event["event"] == name]
        return found

    await until_so(there)
    return found


async def test_it_comes_into_the_thread_and_the_account_and_calls_who_does_not_look(world: World) -> None:
    at_desk = ("--home", world.home("desk"))
    news = 'dispatch_relay_pushes_total{outcome="no_target"}'
    before = await world.sample(news)
    await host_at(world, MINUTE - int(time.time()) % MINUTE - BEFORE_SECONDS)
    code, added = await run(
        "dispatch-host", "schedule", "add", "* * * * *", "What are the largest files?", "--for", "pocket", *at_desk
    )
    assert (code, added[-1]["event"]) == (0, "added"), added

    async def ran() -> object:
        _, listed = await run("dispatch-host", "schedule", "list", *at_desk)
        return listed[0]["last"] is not None and listed[0]["last"]["state"] == "done"

    try:
        await until_so(ran)
    except TimeoutError:  # a slow machine let this minute pass before the entry was there; the next one is as good
        await until_so(ran)

    async def called() -> bool:
        return await world.sample(news) > before

    await until_so(called)
    code, _ = await run("dispatch-host", "schedule", "pause", added[-1]["schedule_id"][:8], *at_desk)
    assert code == 0
    (first, *_) = await thread(world, "scheduled")
    assert (first["text"], first["late"]) == ("What are the largest files?", False)
    tasks: list[Event] = []

    async def heard() -> bool:
        nonlocal tasks
        _, listed = await run("dispatch-phone", "tasks", "--home", world.home("pocket"))
        tasks = [one for one in listed if one["task_id"] == first["task_id"]]
        return bool(tasks) and tasks[0]["state"] == "done"

    await until_so(heard)
    assert tasks[0]["scheduled"] is True
    assert any("small.txt" in one["text"] for one in await thread(world, "text") if one["task_id"] == first["task_id"])

    async def reported() -> object:
        _, history = await run("dispatch-phone", "history", "--home", world.home("pocket"))
        return any(one["task_id"] == first["task_id"] and one["outcome"] == "done" for one in history)

    await until_so(reported)


async def test_from_the_phone_it_is_refused_with_the_pointer(world: World) -> None:
    code, events = await world.send("/schedule 0 8 * * 1-5 look")

    assert (code, events[-1]["reason"]) == (9, "SCHEDULE_ON_HOST")
    assert "dispatch-host schedule add" in events[-1]["advice"]


async def test_what_was_missed_is_made_up_for_once_and_an_entry_rests_goes_on_and_is_taken_out(world: World) -> None:
    at_desk = ("--home", world.home("desk"))

    async def schedule(*words: str) -> tuple[int, list[Event]]:
        return await run("dispatch-host", "schedule", *words, *at_desk)

    in_an_hour = datetime.now().astimezone() + timedelta(hours=1)
    moment = in_an_hour.strftime("%Y-%m-%d %H:%M")
    due_ms = int(in_an_hour.replace(second=0, microsecond=0).timestamp() * 1000)
    code, (once,) = await schedule("add", "--at", moment, "What are the largest files?", "--missed", "once")
    assert (code, once["event"], once["when"], once["missed"]) == (0, "added", moment, "once")
    far = in_an_hour + timedelta(days=180)
    cron = f"0 8 {far.day} {far.month} *"
    code, (again,) = await schedule("add", cron, "How much disk do my folders use?")
    assert (code, again["event"], again["missed"]) == (0, "added", "skip")

    _, listed = await schedule("list")
    assert [(one["when"], one["cron"], one["last"]) for one in listed] == [
        (moment, None, None),
        (None, cron, None),
    ]
    assert listed[0]["next_at"] == due_ms
    next_at = datetime.fromtimestamp(listed[1]["next_at"] / 1000).astimezone()
    assert (next_at.date(), next_at.hour, next_at.minute) == (far.date(), 8, 0)

    # Off when it was due, and back an hour later: one run makes up for it, and says so.
    await host_at(world, 2 * 60 * MINUTE)

    async def made_up() -> object:
        _, entries = await schedule("list")
        return entries[0]["last"] is not None and entries[0]["last"]["state"] == "done"

    await until_so(made_up)
    _, listed = await schedule("list")
    assert (listed[0]["next_at"], listed[0]["last"]["due_at"]) == (None, due_ms)
    (ran,) = await thread(world, "scheduled")
    assert (ran["text"], ran["late"]) == ("What are the largest files?", True)

    name = again["schedule_id"][:8]
    code, (paused,) = await schedule("pause", name)
    assert (code, paused["event"], paused["paused"]) == (0, "paused", True)
    code, (resumed,) = await schedule("resume", name)
    assert (code, resumed["event"], resumed["paused"]) == (0, "resumed", False)
    assert resumed["next_at"] == listed[1]["next_at"]
    code, (removed,) = await schedule("remove", name)
    assert (code, removed["event"], removed["schedule_id"]) == (0, "removed", again["schedule_id"])
    code, (refused,) = await schedule("remove", name)
    assert (code, refused["event"], refused["reason"]) == (2, "refused", "SCHEDULE_UNKNOWN")
    _, listed = await schedule("list")
    assert [one["schedule_id"] for one in listed] == [once["schedule_id"]]
