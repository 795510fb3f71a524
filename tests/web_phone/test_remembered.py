"""Yes for this task, and yes always, pressed on the screen: what the computer asks then, and what its owner finds there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.support.model_host import host, takes_model
from tests.support.model_server import Call, ModelServer, Say
from tests.support.processes import Event
from tests.support.world import World
from tests.web_phone.screen import Screen


@pytest.fixture
async def server(world: World) -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        await takes_model(world, server)
        yield server


def writes(server: ModelServer, *names: str) -> None:
    """Have the agent write these files in its next task, one after the other."""
    calls = [Say("I write.", [Call("write_file", {"file": f"files/{name}", "content": "milk\n"})]) for name in names]
    server.says(*calls, Say("It is written."))


async def asks(screen: Screen, words: str) -> Locator:
    """Send a task that comes to a question; gives its card."""
    card = await screen.send(words)
    await screen.becomes(card, "asking")
    await expect(card.locator(".question")).to_contain_text("hold for: change files in")
    return card


async def remembered(world: World) -> list[Event]:
    """List what the owner finds of rules on the computer."""
    code, events = await host(world, "permissions")
    assert code == 0, events
    return [event for event in events if "change files in" in str(event)]


def written(world: World, name: str) -> Path:
    return world.folder / "files" / name


async def test_yes_for_this_task_is_yes_to_the_rest_of_it_and_the_next_one_asks_again(
    world: World, screen: Screen, server: ModelServer
) -> None:
    await screen.together(world)
    writes(server, "one.txt", "two.txt")
    card = await asks(screen, "make two lists")
    assert not written(world, "one.txt").exists()
    task = card.get_by_role("button", name="Allow for this task")
    await screen.looks_right("remembered", with_in_view=task)

    await task.click()

    await screen.becomes(card, "done")
    await expect(card.locator(".answer")).to_have_text(["pocket: allowed for this task"])
    assert written(world, "one.txt").exists()
    assert written(world, "two.txt").exists()
    assert await remembered(world) == []
    writes(server, "three.txt")
    again = await asks(screen, "make a third list")
    await again.get_by_role("button", name="Don't allow").click()
    await expect(again.locator(".question")).to_have_count(0)
    assert not written(world, "three.txt").exists()


async def test_yes_always_stands_at_the_computer_for_the_next_tasks_until_its_owner_takes_it_back(
    world: World, screen: Screen, server: ModelServer
) -> None:
    await screen.together(world)
    writes(server, "one.txt")
    card = await asks(screen, "make a list")

    await card.get_by_role("button", name="Always allow").click()

    await screen.becomes(card, "done")
    await expect(card.locator(".answer")).to_have_text(["pocket: always allowed"])
    [rule] = await remembered(world)
    writes(server, "two.txt")
    silent = await screen.send("make a second list")
    await screen.becomes(silent, "done")
    await expect(silent.locator(".answer")).to_have_count(0)
    assert written(world, "two.txt").exists()
    await screen.looks_right("always")
    assert rule["event"] == "always"
    code, events = await host(world, "permissions", "revoke", "always", rule["rule"])
    assert code == 0, events
    writes(server, "three.txt")
    again = await asks(screen, "make a third list")
    await again.get_by_role("button", name="Don't allow").click()
    await expect(again.locator(".question")).to_have_count(0)
    assert not written(world, "three.txt").exists()
