"""An external agent does what a phone asks for, and the phone answers what it asks. Real processes, real sandbox."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.acp_desk import written_down
from tests.support.processes import Event, Process, run
from tests.support.waiting import until
from tests.support.world import World
from tests.unit.sandbox.test_limits import running

pytestmark = [
    pytest.mark.big,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not on this machine"),
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A host whose owner wrote down an agent of their own and chose it, and a phone."""
    async with World(tmp_path) as world:
        await world.services()
        host = await world.devices()
        await host.stop()
        (Path(world.home("desk")) / "agents.toml").write_text(written_down())
        await desk(world, "permissions", "allow", "folder", str(world.folder / "files"), "--write")
        await desk(world, "permissions", "allow", "terminal")
        await desk(world, "agent", "use", "acp:scripted")
        yield world


async def desk(world: World, *words: str) -> list[Event]:
    code, events = await run("dispatch-host", *words, "--home", world.home("desk"))
    assert code == 0, events
    return events


def script(*steps: dict[str, Any]) -> str:
    return f"script:{json.dumps(steps)}"


async def test_the_phone_says_yes_to_exactly_what_the_agent_then_does(world: World) -> None:
    await world.run_host("desk")
    path = world.folder / "files" / "notes.txt"
    wanted = script(
        {"say": "I write it down."},
        {"write": [str(path), "from afar\n"]},
        {"tool": ["send_file", {"file": str(path)}]},
    )
    sending = await world.start("dispatch-phone", "send", wanted, "--home", world.home("pocket"))

    question = await sending.event("asking")
    assert question["text"] == "May Scripty change files?"
    assert "from afar" in question["detail"]
    assert not path.exists()
    code, events = await run("dispatch-phone", "answer", question["task_id"], "once", "--home", world.home("pocket"))
    assert code == 0, events

    done = await sending.event("done")
    wrote, sent = done["text"].splitlines()
    assert json.loads(wrote.removeprefix("I write it down.")) == {"written": str(path)}
    assert "Sent `files/notes.txt`" in json.loads(sent)["text"]
    assert (await sending.event("artifact"))["name"] == "notes.txt"
    assert path.read_text() == "from afar\n"
    used = await desk(world, "audit", "--task", question["task_id"])
    assert {"terminal", f"folder {world.folder / 'files'} write"} <= {line["permission"] for line in used}
    assert next(one for one in await desk(world, "agent") if one["chosen"])["agent"] == "acp:scripted"


async def at_work(world: World, mark: str) -> Process:
    """Have an agent hang that has started something; gives the waiting `send`."""
    wanted = script({"leave": mark}, {"hang": None})
    sending = await world.start("dispatch-phone", "send", wanted, "--home", world.home("pocket"))
    await sending.event("started")
    await until(partial(running, mark))
    return sending


async def test_it_is_gone_with_a_task_that_is_cancelled(world: World) -> None:
    await world.run_host("desk")
    sending = await at_work(world, f"--cancelled-agent-{os.getpid()}")
    task_id = sending.events[0]["task_id"]

    code, events = await run("dispatch-phone", "cancel", task_id, "--home", world.home("pocket"))

    assert code == 0, events
    await sending.event("cancelled")
    await until(lambda: not running(f"--cancelled-agent-{os.getpid()}"))


async def test_it_is_gone_with_a_host_that_is_killed(world: World) -> None:
    host = await world.run_host("desk")
    sending = await at_work(world, "--orphan-agent")

    host.signal(signal.SIGKILL)

    await until(lambda: not running("--orphan-agent"))
    await sending.stop()
