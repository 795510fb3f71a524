"""The desktop as a person reaches it from the phone: real processes up to the window manager."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.desktop.conftest import Session, opens
from tests.support.processes import Event, run
from tests.support.waiting import until_so
from tests.support.world import World


@pytest.fixture
async def world(tmp_path: Path, session: Session) -> AsyncIterator[World]:
    """A phone and a host, paired, that runs in the session."""
    async with World(tmp_path) as world:
        await world.services()
        await world.devices(env=session.environment)
        yield world


async def desk(world: World, *words: str) -> list[Event]:
    code, events = await run("dispatch-host", *words, "--home", world.home("desk"))
    assert code == 0, events
    return events


async def in_front(session: Session, name: str) -> None:
    """Wait until an application is in front."""

    async def so() -> bool:
        return [one.app for one in await session.desktop.windows() if one.is_active] == [name]

    await until_so(so)


async def test_the_phone_sees_what_is_open_and_brings_it_to_the_front_once_that_is_permitted(
    world: World, session: Session
) -> None:
    async with AsyncExitStack() as stack:
        for name in ("Alpha", "Beta"):
            await opens(stack, session, name)
        await in_front(session, "Beta")

        code, events = await world.send("focus alpha")
        assert (code, events[-1]["reason"]) == (4, "NOT_PERMITTED"), events
        await in_front(session, "Beta")
        await desk(world, "permissions", "allow", "desktop")

        code, listed = await world.send("which apps are open?")
        assert code == 0, listed
        assert "2 windows open" in listed[-1]["text"]
        assert "**Beta** Untitled (in front)" in listed[-1]["text"]
        code, focused = await world.send("focus alpha")
        assert code == 0, focused
        assert focused[-1]["text"] == "`Alpha: Untitled` is in front now."
        await in_front(session, "Alpha")

    used = [
        (one["subject"], one["verdict"]) for one in await desk(world, "audit") if one.get("permission") == "desktop"
    ]
    assert sorted(used) == [
        ("focus Alpha", "allowed"),
        ("list of windows", "allowed"),
        ("list of windows", "allowed"),
        ("list of windows", "refused"),
    ]
