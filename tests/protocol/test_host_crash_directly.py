"""A host that dies behind any one of its commits while a phone is directly with it: a task with files, one that is cancelled.

What `test_host_crash` asks of what goes by the relay, with all that a host journals besides: the phone is a real one, decides
itself, and finds the host again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dispatch.api.thread.v1.thread_pb2 import Event as ThreadEvent
from dispatch.device.telling import event_told
from dispatch_host.agents import Artifact, Result, Step

from tests.support.direct_world import DirectWorld, PhoneInHand
from tests.support.seeded_phone import Event
from tests.support.waiting import until

COMMITS = range(1, 100)
"""As many as the story has, and some: those beyond its end find nothing to kill, and say so."""
QUICK = range(10, 80, 20)
NEVER = 10**6
CONTENT = b"Nothing of note.\n" * 2_000


class Told:
    """What a person has heard of one task."""

    def __init__(self, phone: PhoneInHand, text: str, **options: Any) -> None:
        self.text = text
        self.id = str(uuid4())
        self.events: list[Event] = []
        self.watching = phone.watch(text, self.events, id=self.id, **options)

    def has(self, *names: str) -> bool:
        return any(event["event"] in names for event in self.events)

    @property
    def last(self) -> Event:
        return self.events[-1]


async def story(world: DirectWorld, phone: PhoneInHand, file: Path, told: list[Told]) -> None:
    """Send a task with a file, have it come back and fetch it; then one that is cancelled. Stands still when the host dies."""
    agent = world.bench.agent
    told.append(reading := Told(phone, "read it", attach=[str(file)]))
    await until(lambda: any(run.text == "read it" for run in agent.runs))
    (attached,) = next(run.attachments for run in agent.runs if run.text == "read it")
    agent.says("read it", Step("Read"), Artifact(attached), Result("Here it is."))
    await asyncio.shield(reading.watching)  # a person goes on watching when the story stands still
    into = world.folder / "fetched"
    into.mkdir()
    request = {
        "do": "files_get",
        "what": file.name,
        "into": str(into),
        "force": False,
        "host": None,
        "most_bytes": 10**9,
    }
    assert await phone.desk.do(request, say=lambda _: None, hear=nobody) == 0

    told.append(building := Told(phone, "build it"))
    await until(lambda: any(run.text == "build it" for run in agent.runs))
    await until(lambda: building.has("started"))
    await phone.desk.do({"do": "cancel", "id": building.id}, say=lambda _: None, hear=nobody)
    await asyncio.shield(building.watching)


# Who dies in this process leaves its sockets to the collector.
@pytest.mark.filterwarnings("ignore:.*StreamWriter:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "commit", [commit if commit in QUICK else pytest.param(commit, marks=pytest.mark.big) for commit in COMMITS]
)
async def test_whatever_commit_was_the_last_each_task_has_one_fate(tmp_path: Path, commit: int) -> None:
    file, told = tmp_path / "notes.txt", list[Told]()
    file.write_bytes(CONTENT)
    async with DirectWorld(tmp_path) as world, world.phone() as phone:
        bench = world.bench
        bench.dies_after = NEVER
        await world.host_dies()
        await phone.is_on("direct")
        assert bench.dying is not None
        bench.dying.dies_behind(commit)
        telling, dead = (
            asyncio.create_task(story(world, phone, file, told)),
            asyncio.create_task(bench.dying.dead.wait()),
        )
        await asyncio.wait([telling, dead], return_when=asyncio.FIRST_COMPLETED)
        died = dead.done()
        if not died:
            await telling
            assert commit > QUICK[-1]
        for task in (telling, dead):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        runs = [run.text for run in bench.agent.runs]

        bench.dies_after = 0
        await world.host_dies()
        await phone.is_on("direct")
        for one in told:
            await one.watching
        after = Told(phone, "quick after")
        await after.watching

        assert after.last["event"] == "done"
        for one in told:
            outcomes = {"read it": "done", "build it": "cancelled"}
            assert one.last["event"] in {outcomes[one.text], "interrupted", "refused", "not_sent"}, one.last
            if one.last["event"] in {"refused", "not_sent"}:
                assert one.text not in runs
        assert [run.text for run in bench.agent.runs] == [*runs, "quick after"]
        assert len(set(runs)) == len(runs)
        for found in (world.folder / "fetched").glob("[!.]*"):
            assert found.read_bytes() == CONTENT
        on_host = told_by(
            bench.home / "journal.db", "SELECT content FROM event WHERE number IS NOT NULL ORDER BY number"
        )
        assert told_by(world.home / "phone.db", "SELECT content FROM events WHERE shown ORDER BY number") == on_host
        for one in told:
            kinds = [event["event"] for event in on_host if event.get("task_id") == one.id]
            assert kinds.count("accepted") == kinds.count("ended") <= 1


def told_by(store: Path, query: str) -> list[Event]:
    """Read the thread from one of the stores."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return [event_told(ThreadEvent.FromString(content)) for (content,) in connection.execute(query)]


async def nobody() -> bool:
    raise AssertionError("nobody was to be asked")
