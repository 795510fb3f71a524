"""A caller of the control socket hangs up while what it asked for is on the disk: what follows from it is done all the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.device.keys import PlainFiles
from dispatch_host.agents import Result, Said
from dispatch_host.control_client import ControlClient
from dispatch_host.pairings import keys_of

from tests.support.host_bench import Bench
from tests.support.questions import asked, choice


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def hangs_up(
    bench: Bench, call: Callable[[ControlClient], Coroutine[Any, Any, object]], *, asked_by: str, behind: type
) -> None:
    """Ask for something and hang up when its step is on the disk, which nobody has heard yet; then they hear it."""
    on_the_disk = bench.disk.stalls(asked_by=asked_by, behind=behind)
    async with bench.control() as control:
        calling = asyncio.create_task(call(control))
        await on_the_disk.wait()
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling
        await control.status()  # behind the hanging up, on the same connection
    bench.disk.goes_on()


async def test_a_permission_that_is_taken_back_is_not_in_force_a_moment_longer(bench: Bench, tmp_path: Path) -> None:
    async with bench.control() as control:
        await control.add_folder(pb.Folder(path=str(tmp_path)))
    sent = await bench.phone.sends("running")
    await bench.phone.sees(sent.task_id, "started")
    await bench.until(lambda: bench.agent.folders)  # it has used it, so that it loses something

    await hangs_up(bench, lambda control: control.remove_folder(str(tmp_path)), asked_by="Held._change", behind=tuple)

    ended = await bench.phone.sees_end(sent.task_id)
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_PERMISSION_TAKEN_BACK)
    await bench.knows(lambda status: not status.folders)


async def test_a_pairing_that_is_ended_leaves_no_link_and_no_keys(bench: Bench) -> None:
    await hangs_up(bench, lambda control: control.unpair("pocket"), asked_by="PairingDesk._forget", behind=set)

    await bench.relay.detached()
    await bench.until(lambda: keys_of(PlainFiles.of(bench.home), bench.pair_id) is None)
    await bench.until(lambda: bench.pairing.ended == [bench.pair_id])


async def test_an_answer_is_heard_by_the_agent(bench: Bench) -> None:
    task_id, question = await asked(bench, choice(), Result("done"))
    south = thread.Answer(question_id=question.question_id, text="south")

    await hangs_up(
        bench, lambda control: control.answer_question(task_id, south), asked_by="TaskDesk.answer", behind=int
    )

    await bench.phone.sees_end(task_id)
    assert bench.agent.heard == [Said("south", "desk")]
