"""A phone with a model of its own: what stands by itself is answered on it, all else on the computer, and a mark says which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.canary import find_in_files
from tests.support.phone_model import ModelServer, says
from tests.support.processes import Event, run
from tests.support.world import World

pytestmark = pytest.mark.big

KEY = "Kestrel-in-the-key"
ALONE = "What is the capital of Mongolia?"
NEEDY = "What are the largest files?"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A phone and a host that are paired, with a file."""
    async with World(tmp_path) as world:
        await world.services()
        await world.devices()
        (world.folder / "files" / "small.txt").write_text("small")
        yield world


async def phone(world: World, *words: str) -> tuple[int, list[Event]]:
    return await run("dispatch-phone", *words, "--home", world.home("pocket"))


async def on_host(world: World) -> list[str]:
    """List the tasks that the computer took."""
    _, thread = await run("dispatch-host", "thread", "--home", world.home("desk"))
    return [event["task_id"] for event in thread if event["event"] == "started"]


def marks(events: list[Event]) -> list[tuple[str, str]]:
    return [(event["where"], event["text"]) for event in events if event["event"] == "routed"]


async def test_each_task_goes_where_it_belongs_or_where_its_person_says_and_bears_the_mark(world: World) -> None:
    key = world.folder / "model.key"
    key.write_text(KEY)
    key.chmod(0o600)
    with ModelServer(says("Ulaanbaatar.")) as server:
        code, events = await phone(world, "model", "use", server.url, "tiny", "--key-file", str(key))
        assert (code, events) == (0, [{"event": "model", "url": server.url, "model": "tiny"}])

        code, here = await world.send(ALONE)
        assert (code, marks(here)) == (0, [("here", "it stands by itself")]), here
        assert (here[-1]["event"], here[-1]["text"], here[-1]["answered"]) == ("done", "Ulaanbaatar.", "here")
        assert await on_host(world) == []
        assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
        assert (server.asked[-1]["model"], server.asked[-1]["messages"][-1]["content"]) == ("tiny", ALONE)

        code, needy = await world.send(NEEDY)
        assert (code, marks(needy)) == (0, [("host", "it needs the computer")]), needy
        assert "small.txt" in needy[-1]["text"]

        # The assistant on the computer knows no capitals; the person wanted it asked all the same.
        code, there = await world.send(ALONE, "--to-host")
        assert (code, marks(there), there[-1]["event"]) == (4, [("host", "you said so")], "failed"), there

        code, kept = await world.send(NEEDY, "--here")
        assert (code, marks(kept), kept[-1]["answered"]) == (0, [("here", "you said so")], "here"), kept
        assert len(server.asked) == 2

        assert await phone(world, "model", "off") == (0, [{"event": "model", "model": None}])
        code, after = await world.send(ALONE)
        assert (code, marks(after), after[-1]["event"]) == (4, [], "failed"), after
        assert len(server.asked) == 2

    code, refused = await world.send(ALONE, "--here")
    assert (code, refused[-1]["reason"]) == (2, "BAD_REQUEST"), refused
    assert await on_host(world) == [events[-1]["task_id"] for events in (needy, there, after)]
    _, listed = await phone(world, "tasks")
    answered = {one["task_id"]: one.get("answered") for one in listed}
    assert [answered[events[-1]["task_id"]] for events in (here, needy, there, kept, after)] == [
        "here", None, None, "here", None,
    ]  # fmt: skip
    assert find_in_files(KEY, Path(world.home("pocket"))) == []
