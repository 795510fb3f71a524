"""A language model does a phone's task, with real processes between the phone, the host and its provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.canary import find, find_in_files
from tests.support.model_host import KEY, host, takes_model
from tests.support.model_server import Asked, Call, Fault, ModelServer, Reply, Say
from tests.support.processes import Process, run
from tests.support.world import World, scrape

IN_FILE = "Merlin-in-the-file"
OUTSIDE = "Osprey-outside"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give a phone and a host that work, and files that may be changed."""
    async with World(tmp_path) as world:
        await world.services()
        yield world


def live_text(sending: Process) -> str:
    """Give what was shown as it came: in how many parts is the model's, the host's and the network's to say."""
    return "".join(event["delta"] for event in sending.events if event.get("event") == "text" and "delta" in event)


@pytest.mark.big
async def test_a_task_of_a_phone_is_done_with_tools_asked_about_and_shown_as_it_goes(world: World) -> None:
    (world.folder / "files").mkdir()
    (world.folder / "files" / "notes.txt").write_text(f"{IN_FILE}: buy milk\n")
    outside = world.folder / "outside.txt"
    outside.write_text(OUTSIDE)
    async with ModelServer() as server:
        running = await world.devices()
        await takes_model(world, server)

        def writes(asked: Asked) -> Reply:
            assert IN_FILE in asked.given[0]
            assert asked.given[1].startswith("Not permitted")
            return Say("Now I write.", [Call("write_file", {"file": "files/list.txt", "content": "milk\n"})])

        server.says(
            Say(
                "I read.",
                [Call("read_file", {"file": "files/notes.txt"}), Call("read_file", {"file": str(outside)})],
            ),
            writes,
            Say("**Milk** is on the list."),
        )
        sending = await world.start("dispatch-phone", "send", "make a list", "--home", world.home("pocket"))
        assert (await sending.event("started"))["agent"] == "llm"
        await sending.event("text", lambda _: "I read." in live_text(sending))
        asked = await sending.event("asking")
        assert "milk" in asked["detail"]
        code, answered = await run("dispatch-phone", "answer", asked["task_id"], "once", "--home", world.home("pocket"))
        assert (code, answered[-1]["event"]) == (0, "answered"), answered

        done = await sending.event("done")

        assert done["text"] == "**Milk** is on the list."
        assert (world.folder / "files" / "list.txt").read_text() == "milk\n"
        _, used = await host(world, "audit", "--task", asked["task_id"])
        refused = [(line["permission"], line["subject"]) for line in used if line["verdict"] == "refused"]
        assert refused == [(f"folder {outside}", "read_file")]
        assert OUTSIDE not in "".join(one.said for one in server.asked)

        # The provider refuses, in words that quote what was sent to it: nobody repeats them.
        server.says(Fault(401, "authentication_error", message=f"{KEY} {IN_FILE}"))
        code, events = await world.send("and again")
        assert (code, events[-1]["reason"]) == (4, "AGENT_UNAVAILABLE"), events
        _, listed = await host(world, "agent")
        assert [(one["agent"], one["chosen"]) for one in listed][:2] == [("built-in", False), ("llm", True)]
        _, status = await host(world, "status")
        assert status[-1]["agent"] == "llm"
        await running.stop()
        for canary in (KEY, IN_FILE, OUTSIDE, str(outside)):
            assert find(canary, bytes(running.stderr)) == []
            assert find(canary, repr(events).encode()) == []
        metrics = await scrape(world.relay_metrics)
        for canary in (KEY, IN_FILE, OUTSIDE):
            assert find(canary, metrics) == []
            assert find_in_files(canary, world.folder / "relay") == []
            assert find_in_files(canary, world.folder / "pairing") == []
        assert find_in_files(KEY, world.folder / "desk") == []


@pytest.mark.big
async def test_words_that_the_phone_adds_reach_the_model_in_the_middle_of_its_task(world: World) -> None:
    (world.folder / "files").mkdir()
    pocket = world.home("pocket")
    async with ModelServer() as server:
        await world.devices()
        await takes_model(world, server)
        server.says(
            Say("I write.", [Call("write_file", {"file": "files/list.txt", "content": "milk\n"})]),
            Say("Milk and eggs."),
        )
        sending = await world.start("dispatch-phone", "send", "make a list", "--home", pocket)
        task_id = (await sending.event("asking"))["task_id"]

        code, added = await run("dispatch-phone", "send", "eggs as well", "--into", task_id, "--home", pocket)
        assert (code, added[0]["event"]) == (0, "steering"), added
        code, answered = await run("dispatch-phone", "answer", task_id, "once", "--home", pocket)
        assert (code, answered[-1]["event"]) == (0, "answered"), answered

        assert (await sending.event("done"))["text"] == "Milk and eggs."
        assert (await sending.event("steered"))["text"] == "eggs as well"
        first, second = server.asked
        assert "eggs" not in first.said
        assert "eggs as well" in second.said
        assert len(second.given) == 1

        code, late = await run("dispatch-phone", "send", "and bread", "--into", task_id, "--home", pocket)
        assert (code, late[-1]["reason"]) == (9, "TASK_OVER"), late
        assert len(server.asked) == 2
