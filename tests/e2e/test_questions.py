"""An agent asks with real processes between it and the person: who does not look is called, and the first answer counts."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.processes import Event, run
from tests.support.waiting import until_so
from tests.support.world import World

QUESTION = "show the top 5 rows of the csv"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give a phone and a host that work, with two files of which either may be meant."""
    async with World(tmp_path) as world:
        await world.services()
        await world.devices(env=world.held())
        for name in ("north", "south"):
            (world.folder / "files" / f"{name}.csv").write_text(f"place\n{name}\n")
        yield world


async def host(world: World, *words: str) -> tuple[int, list[Event]]:
    return await run("dispatch-host", *words, "--home", world.home("desk"))


@pytest.mark.big
async def test_a_question_calls_a_person_who_does_not_look_and_is_answered_at_the_host(world: World) -> None:
    called = 'dispatch_relay_pushes_total{outcome="no_target"}'
    before = await world.sample(called)
    sending = await world.start("dispatch-phone", "send", QUESTION, "--home", world.home("pocket"))
    task_id = (await sending.event("started"))["task_id"]
    sending.signal(signal.SIGINT)
    await sending.ended()

    async def alone() -> bool:
        return await world.sample('dispatch_relay_streams{kind="phone"}') == 0

    await until_so(alone)
    world.let_go()

    async def asked() -> list[Event]:
        return (await host(world, "questions"))[1]

    await until_so(asked)
    (question,) = await asked()
    assert (question["event"], question["task_id"], question["phone"]) == ("asking", task_id, "pocket")
    assert question["choices"] == ["files/north.csv", "files/south.csv"]

    async def is_called() -> bool:
        return await world.sample(called) == before + 1

    await until_so(is_called)
    code, wrong = await host(world, "answer", task_id, "east")
    assert (code, wrong[-1]["reason"]) == (2, "BAD_REQUEST")

    code, events = await host(world, "answer", task_id, "2")

    assert (code, events[-1]["event"], events[-1]["text"]) == (0, "answered", "files/south.csv")
    code, events = await world.send(QUESTION, "--id", task_id)
    assert (code, events[-1]["event"]) == (0, "done")
    assert "south" in events[-1]["text"]
    code, again = await host(world, "answer", task_id, "1")
    assert (code, again[-1]["reason"]) == (9, "QUESTION_CLOSED")
    _, used = await host(world, "audit", "--task", task_id)
    assert {(line["permission"], line["verdict"]) for line in used} == {
        (f"folder {world.folder / 'files'}", "allowed"),
    }
