"""Files are changed with real processes between the person and them, and what was changed is taken back."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.processes import Event, Process, run
from tests.support.waiting import until_so
from tests.support.world import World

pytestmark = pytest.mark.big


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        await world.services()
        yield world


async def host(world: World, *words: str) -> tuple[int, list[Event]]:
    return await run("dispatch-host", *words, "--home", world.home("desk"))


async def devices(world: World) -> Process:
    """Give a running host that may change the files."""
    running = await world.devices()
    code, events = await host(world, "folders", "add", str(world.folder / "files"), "--write")
    assert code == 0, events
    return running


def fill(world: World, count: int) -> Path:
    folder = world.folder / "files"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:04}.{'jpg' if number % 2 else 'txt'}").write_text(str(number))
    return folder


def picture(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


async def asked(world: World) -> Event:
    async def open_ones() -> list[Event]:
        return (await host(world, "questions"))[1]

    await until_so(open_ones)
    return (await open_ones())[0]


async def test_a_change_is_approved_carried_out_and_undone(world: World) -> None:
    folder = fill(world, 4)
    await devices(world)
    before = picture(folder)
    sending = await world.start(
        "dispatch-phone", "send", f"sort {folder} into folders by type", "--home", world.home("pocket")
    )
    question = await asked(world)
    assert picture(folder) == before

    code, events = await host(world, "answer", question["task_id"], "once")
    assert code == 0, events
    assert await sending.ended() == 0

    assert picture(folder).keys() == {"Pictures/0001.jpg", "Pictures/0003.jpg", "Texts/0000.txt", "Texts/0002.txt"}
    code, events = await world.send("undo that")
    assert (code, events[-1]["event"]) == (0, "done")
    assert picture(folder) == before
    _, used = await host(world, "audit", "--task", question["task_id"])
    assert f"folder {folder} write" in {line["permission"] for line in used}


@pytest.mark.parametrize("steps", [1, 150, 299])
async def test_a_host_that_is_killed_in_the_middle_of_a_change_takes_it_back_when_it_is_asked(
    world: World, steps: int
) -> None:
    folder = fill(world, 300)
    running = await devices(world)
    before = picture(folder)
    sending = await world.start(
        "dispatch-phone", "send", f"sort {folder} into folders by type", "--home", world.home("pocket")
    )
    question = await asked(world)
    code, events = await host(world, "answer", question["task_id"], "once")
    assert code == 0, events

    async def has_moved() -> bool:
        return len(list(folder.glob("*/*"))) >= steps

    await until_so(has_moved)
    running.signal(signal.SIGKILL)
    await running.ended()
    await world.run_host("desk")

    code, events = await world.send("undo that")

    assert (code, events[-1]["event"]) == (0, "done"), events
    assert picture(folder) == before
    assert await sending.ended() == 4
