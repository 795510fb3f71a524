"""A computer that does something by itself, with real processes between it and the person; its clock is set by libfaketime."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.clocks import Clocks, faketime
from tests.faults.network import Part
from tests.support.processes import Event, run
from tests.support.waiting import until_so
from tests.support.world import World

pytestmark = [pytest.mark.big, pytest.mark.skipif(faketime() is None, reason="libfaketime is not on this machine")]

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
    """Give the events of a kind in the phone's thread."""
    _, events = await run("dispatch-phone", "thread", "--home", world.home("pocket"))
    return [event for event in events if event["event"] == name]


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

    await until_so(ran)

    async def called() -> bool:
        return await world.sample(news) > before

    await until_so(called)
    code, _ = await run("dispatch-host", "schedule", "pause", added[-1]["schedule_id"][:8], *at_desk)
    assert code == 0
    (first, *_) = await thread(world, "scheduled")
    assert (first["text"], first["late"]) == ("What are the largest files?", False)
    assert any("small.txt" in one["text"] for one in await thread(world, "text") if one["task_id"] == first["task_id"])
    _, listed = await run("dispatch-phone", "tasks", "--home", world.home("pocket"))
    (task,) = [one for one in listed if one["task_id"] == first["task_id"]]
    assert (task["state"], task["scheduled"]) == ("done", True)

    async def reported() -> object:
        _, history = await run("dispatch-phone", "history", "--home", world.home("pocket"))
        return any(one["task_id"] == first["task_id"] and one["outcome"] == "done" for one in history)

    await until_so(reported)


async def test_from_the_phone_it_is_refused_with_the_pointer(world: World) -> None:
    code, events = await world.send("/schedule 0 8 * * 1-5 look")

    assert (code, events[-1]["reason"]) == (9, "SCHEDULE_ON_HOST")
    assert "dispatch-host schedule add" in events[-1]["advice"]
