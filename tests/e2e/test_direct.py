"""The direct path with real processes: a person sees which path is in use, and switches it off by one setting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.processes import Event, run
from tests.support.world import World

pytestmark = [pytest.mark.timeout(600), pytest.mark.big]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        await world.services()
        yield world


async def status(world: World, program: str, device: str, *words: str) -> Event:
    code, events = await run(program, "status", "--home", world.home(device), *words)
    assert code == 0, events
    return events[0]


async def test_a_task_goes_directly_and_its_end_is_in_the_account_s_history(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    await world.sign_in("dispatch-phone", "pocket")
    await world.pair("desk", "pocket")
    await world.run_host("desk", env={"DISPATCH_HOST_DIRECT": "127.0.0.1:0"})
    listening = (await status(world, "dispatch-host", "desk"))["direct_addresses"]
    assert len(listening) == 1
    async with asyncio.timeout(180):
        while (await status(world, "dispatch-phone", "pocket"))["hosts"][0]["path"] != "direct":
            pass

    # The same id: should this computer be so busy that nothing was sent in time, it is tried again, and can't run twice.
    task_id, code, events = str(uuid4()), 7, list[Event]()
    async with asyncio.timeout(180):
        while code == 7:
            code, events = await run(
                "dispatch-phone", "send", "What can you do?", "--id", task_id, "--path", "direct", "--home",
                world.home("pocket"),
            )  # fmt: skip

    assert code in {0, 4}, events
    sent = [event for event in events if event["event"] == "sent"]
    assert {event["path"] for event in sent} == {"direct"}
    async with asyncio.timeout(180):
        history: list[Event] = []
        while not any(event.get("outcome") for event in history):
            _, history = await run("dispatch-phone", "history", "--home", world.home("pocket"))


async def test_switched_off_the_host_tells_no_address(world: World) -> None:
    await world.sign_in("dispatch-host", "desk")
    await world.sign_in("dispatch-phone", "pocket")
    await world.pair("desk", "pocket")
    await world.run_host("desk", env={"DISPATCH_HOST_DIRECT": "off"})

    assert (await status(world, "dispatch-host", "desk"))["direct_addresses"] == []
    path: str | None = None
    async with asyncio.timeout(180):
        while path is None:
            path = (await status(world, "dispatch-phone", "pocket"))["hosts"][0]["path"]
    assert path == "relay"
