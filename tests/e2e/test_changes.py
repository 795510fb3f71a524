"""Files are changed with real processes between the person and them, and what was changed is taken back."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.support.processes import Event, Process, run
from tests.support.waiting import until, until_so
from tests.support.world import World

pytestmark = pytest.mark.big
WORKER = "dispatch_host.agents.builtin.worker"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        await world.services()
        yield world


async def host(world: World, *words: str) -> tuple[int, list[Event]]:
    return await run("dispatch-host", *words, "--home", world.home("desk"))


async def devices(world: World, env: Mapping[str, str] | None = None) -> Process:
    """Give a running host that may change the files."""
    running = await world.devices(env=env)
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


async def say_yes(world: World, text: str) -> Process:
    """Send what changes files, and say yes to it at the host."""
    sending = await world.start("dispatch-phone", "send", text, "--home", world.home("pocket"))
    question = await asked(world)
    code, events = await host(world, "answer", question["task_id"], "once")
    assert code == 0, events
    return sending


def held_at(world: World, look: int) -> dict[str, str]:
    """Give an environment in which a worker that changes files stands still, for ever, after so many looks at the disk."""
    customs, reached = world.folder / "customs", world.folder / "reached"
    customs.mkdir()
    (customs / "sitecustomize.py").write_text(
        f"""
import os, sys, time
looks, mkdir, stat = [], os.mkdir, os.stat
def making(*words, **named):
    mkdir(*words, **named)
    if named.get("dir_fd") is not None:
        looks.append("the first change")
def looking(*words, **named):
    if looks:
        looks.append(words)
    if len(looks) == {look}:
        open({str(reached)!r}, "w").close()
        time.sleep(1_000_000)
    return stat(*words, **named)
if {WORKER!r} in sys.orig_argv and not os.path.exists({str(reached)!r}):
    os.mkdir, os.stat = making, looking
"""
    )
    return {"PYTHONPATH": str(customs)}


@pytest.mark.parametrize("look", [2, 14, 41])
async def test_a_host_that_is_killed_in_the_middle_of_a_change_takes_it_back_when_it_is_asked(
    world: World, look: int
) -> None:
    folder = fill(world, 20)
    running = await devices(world, env=held_at(world, look))
    before = picture(folder)
    sending = await say_yes(world, f"sort {folder} into folders by type")
    await until((world.folder / "reached").exists)

    running.signal(signal.SIGKILL)
    await running.ended()
    await world.run_host("desk")
    ended = await sending.event("interrupted")
    code, events = await world.send("undo that")

    assert ended["reason"] == "HOST_DIED"
    assert (code, events[-1]["event"]) == (0, "done"), events
    assert "Everything is as it was before" in events[-1]["text"]
    assert picture(folder) == before


async def test_what_was_deleted_comes_back_until_the_pairing_ends(world: World) -> None:
    folder = fill(world, 2)
    await devices(world)
    before = picture(folder)
    assert await (await say_yes(world, f"delete all files in {folder}")).ended() == 0
    assert picture(folder) == {}
    code, events = await world.send("undo that")
    assert (code, picture(folder)) == (0, before), events
    assert await (await say_yes(world, f"delete all files in {folder}")).ended() == 0
    kept = Path(world.home("desk")) / "changes"
    assert [path.read_text() for path in sorted(kept.rglob("kept-*"))] == ["0", "1"]

    code, events = await host(world, "unpair")

    assert code == 0, events
    assert list(kept.iterdir()) == [kept / "lock"]
