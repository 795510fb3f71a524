"""An agent asks with real processes between it and the person: who does not look is called, and the first answer counts."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.processes import Event, run
from tests.support.terminal import Terminal
from tests.support.waiting import until, until_so
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


def shown_on_the_phone(world: World) -> str:
    """Give the question that an answer is for: it is noted behind the line that shows it, and a phone may be killed in between."""
    with contextlib.closing(sqlite3.connect(Path(world.home("pocket")) / "phone.db")) as connection:
        ((question_id,),) = connection.execute("SELECT shown_question FROM tasks").fetchall()
    return bytes(question_id).hex()


@pytest.mark.big
async def test_a_question_calls_a_person_who_does_not_look_and_is_answered_at_the_host(world: World) -> None:
    called = 'dispatch_relay_pushes_total{outcome="no_target"}'
    before = await world.sample(called)
    sending = await world.start("dispatch-phone", "send", QUESTION, "--home", world.home("pocket"))
    task_id = (await sending.event("started"))["task_id"]
    sending.signal(signal.SIGINT)
    await sending.ended()

    async def alone() -> bool:
        return await world.sample('dispatch_relay_streams{carrier="grpc",kind="phone"}') == 0

    await until_so(alone)
    world.let_go()

    async def asked() -> list[Event]:
        return (await host(world, "questions"))[1]

    await until_so(asked)
    (question,) = await asked()
    assert (question["event"], question["task_id"], question["phone"]) == ("asking", task_id, "pocket")
    assert question["choices"] == ["files/north.csv", "files/south.csv"]

    async def is_called() -> bool:
        return await world.sample(called) > before

    await until_so(is_called)
    code, wrong = await host(world, "answer", task_id, "east")
    assert (code, wrong[-1]["reason"]) == (2, "BAD_REQUEST")

    code, events = await host(world, "answer", task_id, "2")

    assert (code, events[-1]["event"], events[-1]["text"]) == (0, "answered", "files/south.csv")
    code, events = await world.send(QUESTION, "--id", task_id)
    assert (code, events[-1]["event"]) == (0, "done")
    assert "south" in events[-1]["text"]
    code, again = await host(world, "answer", task_id, "1")
    assert (code, again[-1]["reason"]) == (9, "TASK_OVER")
    _, used = await host(world, "audit", "--task", task_id)
    assert {(line["permission"], line["verdict"]) for line in used} == {
        (f"folder {world.folder / 'files'}", "allowed"),
    }


@pytest.mark.big
async def test_the_phone_answers_while_it_watches_and_the_first_answer_counts(world: World) -> None:
    world.let_go()
    sending = await world.start("dispatch-phone", "send", QUESTION, "--home", world.home("pocket"))
    asked = await sending.event("asking")
    assert asked["choices"] == ["files/north.csv", "files/south.csv"]
    assert "2 files" in asked["detail"]

    async def answer(*words: str) -> tuple[int, list[Event]]:
        return await run("dispatch-phone", "answer", asked["task_id"], *words, "--home", world.home("pocket"))

    code, wrong = await answer("east")
    assert (code, wrong[-1]["reason"]) == (2, "BAD_REQUEST")

    code, unseen = await host(world, "answer", asked["task_id"], "1")
    assert (code, unseen[0]["event"], unseen[-1]["reason"]) == (9, "asking", "QUESTION_UNSEEN")

    code, events = await answer("files/north.csv")

    assert (code, events[-1]["event"]) == (0, "answered"), events
    assert (events[-1]["text"], events[-1]["by"]) == ("files/north.csv", "pocket")
    done = await sending.event("done")
    assert "north" in done["text"]
    await sending.ended()
    code, late = await answer("1")
    assert (code, late[-1]["reason"]) == (9, "TASK_OVER")
    code, into = await run("dispatch-phone", "send", "more", "--into", asked["task_id"], "--home", world.home("pocket"))
    assert (code, into[-1]["reason"]) == (9, "TASK_OVER")


@pytest.mark.big
async def test_a_task_that_asks_takes_no_words_and_is_cancelled(world: World) -> None:
    """The built-in assistant takes none while it works, and says so at once."""
    world.let_go()
    sending = await world.start("dispatch-phone", "send", QUESTION, "--home", world.home("pocket"))
    task_id = (await sending.event("asking"))["task_id"]
    at_pocket = ("--home", world.home("pocket"))

    code, events = await run("dispatch-phone", "send", "only the newest", "--into", task_id, *at_pocket)
    assert (code, events[-1]["reason"]) == (9, "NOT_STEERABLE")

    code, events = await run("dispatch-phone", "cancel", task_id, *at_pocket)
    assert (code, events[-1]["event"]) == (0, "cancelled")
    assert (await sending.event("cancelled"))["reason"] == "CANCELLED_BY_PERSON"
    assert (await host(world, "questions"))[1] == []


@pytest.mark.big
async def test_at_a_terminal_a_person_answers_where_they_watch(world: World) -> None:
    world.let_go()
    async with Terminal("dispatch-phone", "send", QUESTION, "--home", world.home("pocket")) as terminal:
        await terminal.shows("Answer with 1. files/north.csv / 2. files/south.csv: ")
        code, listed = await run("dispatch-phone", "tasks", "--home", world.home("pocket"))
        assert (code, listed[-1]["state"]) == (0, "asking")
        assert listed[-1]["asks"]
        assert listed[-1]["asked_for_ms"] >= 0

        terminal.types("east\n")
        await terminal.shows("one of the choices, or its number")
        terminal.types("2\n")

        assert await terminal.ended() == 0
        assert "answered: files/south.csv, by pocket" in terminal.shown
        assert "south" in terminal.shown.rpartition("answered")[2]


@pytest.mark.big
async def test_ctrl_c_at_a_question_stops_watching_and_leaves_the_task(world: World) -> None:
    world.let_go()
    async with Terminal("dispatch-phone", "send", QUESTION, "--home", world.home("pocket")) as terminal:
        await terminal.shows("Answer with 1. ")

        terminal.types("\x03")

        assert await terminal.ended() == 130
        assert "You stopped watching" in terminal.shown
    ((question),) = (await host(world, "questions"))[1]
    code, _ = await host(world, "cancel", question["task_id"])
    assert code == 0


@pytest.mark.big
async def test_a_question_outlasts_relay_pairing_service_and_whoever_watched(world: World) -> None:
    desk = world.processes[-1]
    assert "run" in desk.words
    world.let_go()
    watching = await world.start("dispatch-phone", "send", QUESTION, "--home", world.home("pocket"))
    question = await watching.event("asking")
    relay, server, seen = world.relay_address, world.server, len(desk.events)

    await until(lambda: shown_on_the_phone(world) == question["question_id"])
    watching.signal(signal.SIGKILL)
    await watching.ended()
    await world.relay.stop()
    await world.pairing.stop()
    ((open_one),) = (await host(world, "questions"))[1]
    assert open_one["question_id"] == question["question_id"], "nobody was there, and it is open"
    await world.start_pairing(listen=server)
    await world.start_relay(listen=relay)
    await desk.event("connected", after=seen)
    _, listed = await run("dispatch-phone", "tasks", "--home", world.home("pocket"))
    assert [(one["task_id"], one["state"]) for one in listed] == [(question["task_id"], "asking")]

    code, answered = await run("dispatch-phone", "answer", question["task_id"], "2", "--home", world.home("pocket"))

    assert (code, answered[-1]["event"]) == (0, "answered"), answered
    code, events = await world.send(QUESTION, "--id", question["task_id"])
    assert (code, events[-1]["event"]) == (0, "done")
    assert "south" in events[-1]["text"]
    _, thread = await run("dispatch-host", "thread", "--home", world.home("desk"))
    assert [event["event"] for event in thread if event["event"] in {"started", "asking", "answered"}] == [
        "started", "asking", "answered",
    ]  # fmt: skip
