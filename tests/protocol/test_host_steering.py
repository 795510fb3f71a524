"""What the phone says to a task that runs: words for its agent, and a cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch_host.agents import Result
from dispatch_host.permissions.permission import TERMINAL

from tests.support.host_bench import Bench
from tests.support.questions import ready_to_start_programs
from tests.support.waiting import until_so


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs, has a session with its phone, and may start programs."""
    async with Bench(tmp_path) as bench:
        yield await ready_to_start_programs(bench)


async def test_words_reach_the_running_agent_and_the_thread_says_so(bench: Bench) -> None:
    async def listens(_gate: object, _ask: object, words: Any) -> object:
        heard: list[str] = []

        async def hears() -> bool:
            heard.extend(await words.take())
            return bool(heard)

        await until_so(hears)
        return heard

    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says("work", listens, Result("done"))

    assert await bench.phone.posts(bench.phone.steer(sent.task_id, "only the PDFs")) is None
    await bench.phone.sees_end(sent.task_id)

    assert bench.agent.heard == [["only the PDFs"]]
    assert (await bench.phone.sees(sent.task_id, "steered")).steered.text == "only the PDFs"


async def test_words_that_the_agent_never_took_are_said_to_have_come_too_late(bench: Bench) -> None:
    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    assert await bench.phone.posts(bench.phone.steer(sent.task_id, "only the PDFs")) is None
    await bench.is_quiet()

    bench.agent.says("work", Result("done"))
    await bench.phone.sees_end(sent.task_id)

    refused = (await bench.phone.sees(sent.task_id, "steer_refused")).steer_refused
    assert (refused.text, refused.reason) == ("only the PDFs", Reason.REASON_TASK_OVER)
    assert await bench.phone.posts(bench.phone.steer(sent.task_id, "more")) == Reason.REASON_TASK_OVER


async def test_a_task_that_waits_or_whose_agent_takes_no_words_is_not_steered(bench: Bench) -> None:
    running = await bench.phone.sends("work")
    await bench.phone.sees(running.task_id, "started")
    waiting = await bench.phone.sends("later")
    await bench.phone.sees(waiting.task_id, "waiting")
    assert await bench.phone.posts(bench.phone.steer(waiting.task_id, "more")) == Reason.REASON_NOT_STEERABLE

    await bench.dies()
    bench.agent.takes_words = False
    await bench.runs()
    await bench.phone.shakes_hands()
    again = await bench.phone.sends("once more")
    await bench.phone.sees(again.task_id, "started")

    assert await bench.phone.posts(bench.phone.steer(again.task_id, "more")) == Reason.REASON_NOT_STEERABLE


async def test_a_cancel_does_not_wait_for_an_agent_that_takes_its_time_and_nothing_is_permitted_to_it_any_more(
    bench: Bench,
) -> None:
    """Ended was a task only when its agent had let go of it: one that cleaned up for long held the host's one pair of hands."""
    at_work, let_go = asyncio.Event(), asyncio.Event()
    refused: list[object] = []

    async def cleans_up(gate: Any, _ask: object, _words: object) -> None:
        try:
            at_work.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await let_go.wait()
            try:
                await gate.use(TERMINAL, "rm")
            except errors.NotPermitted as failure:
                refused.append((failure, list(gate.folders)))
            raise

    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says("work", cleans_up)
    await at_work.wait()

    assert await bench.phone.posts(bench.phone.cancel(sent.task_id)) is None
    ended = await bench.phone.sees_end(sent.task_id)
    quick = await bench.phone.sends("quick one")
    assert (await bench.phone.sees_end(quick.task_id)).outcome == Outcome.OUTCOME_DONE

    assert ended.outcome == Outcome.OUTCOME_CANCELLED
    assert not bench.agent.closed or "work" not in bench.agent.closed
    let_go.set()
    await bench.until(lambda: refused)
    assert refused[0][1] == []  # type: ignore[index]  # a pair
