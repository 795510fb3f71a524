"""A program on the computer, from the phone: asked, started in the sandbox, and gone with whoever ends first. Real processes."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import Event, Process, run
from tests.support.waiting import until, until_so
from tests.support.world import World
from tests.unit.sandbox.test_limits import running

pytestmark = [
    pytest.mark.big,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not on this machine"),
]

SCRIPT = """\
import os, pathlib, time
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
pathlib.Path("started").touch()
print("the answer is", 6 * 7, flush=True)
while not pathlib.Path("go").exists(): time.sleep(0.02)
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A host and a phone, paired, with a folder that may be written to, and a terminal."""
    async with World(tmp_path) as world:
        await world.services()
        host = await world.devices()
        await host.stop()
        files, home = world.folder / "files", world.home("desk")
        for words in (("folder", str(files), "--write"), ("terminal",)):
            code, events = await run("dispatch-host", "permissions", "allow", *words, "--home", home)
            assert code == 0, events
        (files / "long.py").write_text(SCRIPT)
        yield world


async def started(world: World, mark: str) -> tuple[Process, Process]:
    """Have the script running, with a word in its arguments to find it by; gives the host and the waiting `send`."""
    host = await world.run_host("desk")
    sending = await world.start("dispatch-phone", "send", f"run long.py with --{mark}", "--home", world.home("pocket"))
    question = await asked(world)
    assert f"python3 ./long.py --{mark}" in question["detail"]
    code, events = await run("dispatch-host", "answer", question["task_id"], "once", "--home", world.home("desk"))
    assert code == 0, events
    await until((world.folder / "files" / "started").exists)
    assert running(f"--{mark}")
    return host, sending


async def asked(world: World) -> Event:
    """Wait until an agent asks, and give its question."""
    found: list[Event] = []

    async def one() -> bool:
        _, events = await run("dispatch-host", "questions", "--home", world.home("desk"))
        found.extend(event for event in events if event["event"] == "asking")
        return bool(found)

    await until_so(one)
    return found[0]


async def test_it_runs_after_a_yes_and_its_output_is_the_answer(world: World) -> None:
    _, sending = await started(world, "answered")

    (world.folder / "files" / "go").touch()

    ended = await sending.event("done")
    assert "the answer is 42" in ended["text"]
    await until(partial(_gone, "--answered"))


async def test_it_dies_with_a_host_that_is_killed(world: World) -> None:
    host, sending = await started(world, "orphan")

    host.signal(signal.SIGKILL)

    await until(partial(_gone, "--orphan"))
    await sending.stop()


async def test_it_is_killed_when_the_task_is_cancelled(world: World) -> None:
    _, sending = await started(world, "cancelled")
    task_id = sending.events[0]["task_id"]

    code, events = await run("dispatch-phone", "cancel", task_id, "--home", world.home("pocket"))

    assert code == 0, events
    await sending.event("cancelled")
    await until(partial(_gone, "--cancelled"))


async def test_it_is_killed_when_the_owner_cancels_it_and_what_waits_is_cancelled_from_either_side(
    world: World,
) -> None:
    _, sending = await started(world, "owned")
    running_id = sending.events[0]["task_id"]
    at_desk, at_pocket = ("--home", world.home("desk")), ("--home", world.home("pocket"))
    behind, waiting = [], []
    for mark in ("two", "three"):  # one after the other: which comes first is how the line stands
        behind.append(await world.start("dispatch-phone", "send", f"run long.py with --{mark}", *at_pocket))
        waiting.append(await behind[-1].event("waiting"))
    assert [one["position"] for one in waiting] == [1, 2]
    _, listed = await run("dispatch-phone", "tasks", *at_pocket)
    assert [one.get("position") for one in listed] == [None, 1, 2]
    _, listed = await run("dispatch-host", "tasks", *at_desk)
    assert [(one["state"], one.get("position")) for one in listed] == [
        ("running", None),
        ("waiting", 1),
        ("waiting", 2),
    ]
    code, said = await run("dispatch-host", "say", running_id, "be quick", *at_desk)
    assert (code, said[-1]["reason"]) == (9, "NOT_STEERABLE")

    code, events = await run("dispatch-phone", "cancel", waiting[0]["task_id"], *at_pocket)
    assert (code, events[-1]["event"]) == (0, "cancelled")
    code, events = await run("dispatch-host", "cancel", waiting[1]["task_id"], *at_desk)
    assert (code, events[-1]["event"]) == (0, "cancelled")
    code, events = await run("dispatch-host", "cancel", running_id, *at_desk)

    assert (code, events[-1]["event"], events[-1]["reason"]) == (0, "cancelled", "CANCELLED_BY_PERSON")
    for one in (sending, *behind):
        assert (await one.event("cancelled"))["reason"] == "CANCELLED_BY_PERSON"
    await until(partial(_gone, "--owned"))
    code, events = await run("dispatch-host", "cancel", running_id, *at_desk)
    assert (code, events[-1]["reason"]) == (9, "TASK_OVER")


def _gone(mark: str) -> bool:
    """Tell whether nothing runs in which the word is an argument, but for the `send` that waits with it in its request."""
    return not running(mark)
