"""The host's one pair of hands, apart from the links: what becomes of a task that is just starting when the host stops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem, Event
from dispatch.clock import SystemClock
from dispatch.ids import PairId, TaskId
from dispatch_host import steps
from dispatch_host.agents.registry import Known, Registry
from dispatch_host.files import Artifacts, Inbox
from dispatch_host.journal import Tx, Writer, tasks, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.limits import Limits
from dispatch_host.metrics import HostMetrics
from dispatch_host.permissions.held import Held
from dispatch_host.runner import Runner
from dispatch_host.scribe import Scribe
from dispatch_host.steps import Ready

from tests.support.host_bench import FullDisk, ScriptedAgent

PAIR, TASK = PairId(b"p" * 16), TaskId(b"t" * 16)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


class NoReaders:
    """An audience in which nobody is."""

    def wrote(self, thread: int) -> None:
        pass

    def wrote_anywhere(self) -> None:
        pass

    def show(self, thread: int, items: Sequence[DownLiveItem]) -> None:
        pass


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "journal.db")
    writer.open()
    yield writer
    writer.close()


@pytest.mark.parametrize("answers", ["while it stops", "behind it"])
async def test_a_task_that_is_just_starting_when_the_host_stops_is_not_begun_and_has_one_outcome(
    journal: Writer, tmp_path: Path, answers: str
) -> None:
    """Also when the disk does not answer for longer than the host has for its end."""
    disk, agent, clock = FullDisk(journal), ScriptedAgent(), SystemClock()
    store = cast(Any, disk)
    scribe = Scribe(sign=KEY.sign, key=KEY.public_key().public_bytes_raw(), clock=clock, rng=os.urandom)
    inbox = Inbox(tmp_path / "inbox", most_bytes=0)
    runner = Runner(
        Registry([Known(name="scripted", about="", make=lambda: agent)], chosen="scripted"),
        journal=store,
        scribe=scribe,
        clock=clock,
        limits=Limits(),
        metrics=HostMetrics(),
        inbox=inbox,
        artifacts=Artifacts(keep_out=[], inbox=inbox, most_bytes=0, rng=os.urandom),
        held=await Held(store, clock).load(),
        busy=lambda _: None,
    )
    thread = await journal.step(_with_a_task)

    async def stops() -> None:
        """End what runs and what waits, as the app does."""
        await runner.stop()
        await disk.step(lambda tx: steps.interrupt_all(tx, scribe, running=Reason.REASON_HOST_STOPPED))

    on_the_disk = disk.stalls(asked_by="start_next", behind=Ready)
    running = asyncio.create_task(runner.run(NoReaders()))
    await on_the_disk.wait()
    stopping = asyncio.create_task(stops())
    if answers == "behind it":
        await stopping
    await asyncio.sleep(0)
    disk.goes_on()
    await asyncio.gather(stopping, running)

    assert agent.runs == []
    ends = [
        event.ended.reason for event in await journal.step(lambda tx: _events(tx, thread)) if event.HasField("ended")
    ]
    assert ends == [Reason.REASON_HOST_STOPPED]


def _with_a_task(tx: Tx) -> int:
    pairing = Pairing(
        pair_id=PAIR,
        phone_key=b"f" * 32,
        phone_name="pocket",
        attestation=b"a",
        phone_signature=b"b",
        host_signature=b"c",
    )
    threads.join(tx, pairing)
    (joined,) = threads.pairings(tx)
    tasks.begin(tx, TASK, pair_id=PAIR, thread=joined.thread, text="quick", at_ms=1)
    return joined.thread


def _events(tx: Tx, thread: int) -> list[Event]:
    return [Event.FromString(content) for _, content in threads.told(tx, thread, after_id=0, limit=99)]
