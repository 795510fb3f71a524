"""Every question is closed exactly once: nobody answered, a cancel, a crash, or an agent that asks no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch_host.agents import Choice, NobodyAnswered, NotDone, NotDoneReason, Result
from dispatch_host.asking import MOST_TAKEN_BACK
from dispatch_host.limits import Limits

from tests.support.host_bench import Bench
from tests.support.questions import answers_of, approval, asked, choice, ready_to_start_programs


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs, has a session with its phone, and may start programs."""
    async with Bench(tmp_path) as bench:
        yield await ready_to_start_programs(bench)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (Result("without it"), Outcome.OUTCOME_DONE),
        (NotDone(NotDoneReason.NOBODY_ANSWERED, "It needs an answer."), Outcome.OUTCOME_TIMED_OUT),
    ],
)
async def test_a_timeout_is_no_denial(tmp_path: Path, end: Result | NotDone, outcome: Outcome.ValueType) -> None:
    async with Bench(tmp_path, limits=Limits(answer_seconds=0.2)) as bench:
        await bench.ready()
        task_id, question = await asked(bench, choice(), end)

        ended = await bench.phone.sees_end(task_id)

        assert ended.outcome == outcome
        assert bench.agent.heard == [NobodyAnswered()]
        (answered,) = answers_of(bench, task_id)
        assert (answered.reason, answered.by) == (Reason.REASON_NOBODY_ANSWERED, "")
        late = bench.phone.answer(task_id, question.question_id, text="north")
        assert await bench.phone.posts(late) == Reason.REASON_TASK_OVER


@pytest.mark.big
async def test_the_watchdog_stands_still_while_a_person_is_asked(tmp_path: Path) -> None:
    async with Bench(tmp_path, limits=Limits(watchdog_seconds=10.0, answer_seconds=11.0)) as bench:
        await bench.ready()
        bench.agent.says("work", choice(), Result("done"))
        sent = await bench.phone.sends("work")

        ended = await bench.phone.sees_end(sent.task_id)

        assert ended.outcome == Outcome.OUTCOME_DONE
        assert bench.agent.heard == [NobodyAnswered()]


async def test_cancel_works_while_a_person_is_asked_and_closes_the_question(bench: Bench) -> None:
    task_id, question = await asked(bench, approval())

    assert await bench.phone.posts(bench.phone.cancel(task_id)) is None
    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_CANCELLED_BY_PERSON)
    (answered,) = answers_of(bench, task_id)
    assert (answered.question_id, answered.reason) == (question.question_id, Reason.REASON_CANCELLED_BY_PERSON)
    assert bench.phone.kinds(task_id)[-2:] == ["answered", "ended"]
    async with bench.control() as control:
        assert not (await control.list_questions()).questions


async def test_a_question_is_closed_by_the_next_start_when_the_host_died(bench: Bench) -> None:
    task_id, _ = await asked(bench, approval())
    await bench.dies()

    await bench.runs()
    await bench.phone.shakes_hands()
    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_DIED)
    assert [one.reason for one in answers_of(bench, task_id)] == [Reason.REASON_HOST_DIED]


async def test_an_agent_that_does_not_wait_for_the_answer_leaves_no_question_open(bench: Bench) -> None:
    async def impatient(_gate: object, ask: Any, _words: object) -> str:
        asking = asyncio.ensure_future(ask.which(Choice(text="Which one?")))
        await bench.phone.sees(task_id, "question")
        asking.cancel()
        await asyncio.wait([asking])
        return "went on"

    task_id = (await bench.phone.sends("work")).task_id
    bench.agent.says("work", impatient, Result("done"))

    ended = await bench.phone.sees_end(task_id)

    assert ended.outcome == Outcome.OUTCOME_DONE
    assert [one.reason for one in answers_of(bench, task_id)] == [Reason.REASON_QUESTION_CLOSED]


async def test_an_agent_that_takes_its_questions_back_asks_nobody_any_more_until_a_person_has_answered(
    bench: Bench,
) -> None:
    """Each calls the person, and stands in the thread."""

    def are_asked(many: int) -> bool:
        return bench.phone.kinds(task_id).count("question") == many

    async def floods(_gate: object, ask: Any, _words: object) -> str:
        for many in range(1, MOST_TAKEN_BACK + 1):
            asking = asyncio.ensure_future(ask.which(Choice(text="Which one?")))
            await bench.until(partial(are_asked, many))
            asking.cancel()
            await asyncio.wait([asking])
        return repr(await ask.which(Choice(text="One more?")))

    task_id = (await bench.phone.sends("work")).task_id
    bench.agent.says("work", floods, Result("done"))

    await bench.phone.sees_end(task_id)

    assert bench.agent.heard == [repr(NobodyAnswered())]
    assert bench.phone.kinds(task_id).count("question") == MOST_TAKEN_BACK
