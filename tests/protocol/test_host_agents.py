"""The owner chooses which agent does the tasks: in force for the next one, kept, and told to the phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch_host.agents import Result
from dispatch_host.agents.registry import Registry

from tests.support.host_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def test_another_agent_does_the_next_task_and_the_running_one_goes_on(bench: Bench) -> None:
    running = await bench.phone.sends("running")
    await bench.phone.sees(running.task_id, "started")
    async with bench.control() as control:
        assert await control.choose_agent("other") == "other"
        status = await control.status()
        assert (status.agent, status.running_task.agent) == ("other", "scripted")
    bench.agent.says("running", Result("by the first"))
    await bench.phone.sees_end(running.task_id)

    later = await bench.phone.sends("quick")
    ended = await bench.phone.sees_end(later.task_id)

    assert ended.outcome == Outcome.OUTCOME_DONE
    started = [bench.phone.of(sent.task_id)[1].started.agent for sent in (running, later)]
    assert started == ["scripted", "other"]
    assert [task.text for task in bench.agent.runs] == ["running"]
    assert [task.text for task in bench.other_agent.runs] == ["quick"]


async def test_the_choice_is_kept(bench: Bench) -> None:
    async with bench.control() as control:
        await control.choose_agent("other")
    await bench.dies()
    bench.agents.choose("scripted")
    await bench.runs()
    await bench.phone.shakes_hands()

    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    assert [task.text for task in bench.other_agent.runs] == ["quick"]


async def test_agents_are_listed_and_one_that_can_not_be_used_is_not_chosen(bench: Bench) -> None:
    async with bench.control() as control:
        with pytest.raises(errors.AgentUnavailable) as unavailable:
            await control.choose_agent("missing")
        with pytest.raises(errors.BadRequest):
            await control.choose_agent("nobody")
        listed = (await control.list_agents()).agents

    assert "It is not there." in str(unavailable.value)
    assert [(one.name, one.chosen, one.why_not) for one in listed] == [
        ("scripted", True, ""),
        ("other", False, ""),
        ("missing", False, "It is not there."),
    ]


async def test_an_agent_that_is_gone_after_a_restart_fails_the_task_and_no_other_does_it(bench: Bench) -> None:
    async with bench.control() as control:
        await control.choose_agent("other")
    await bench.dies()
    bench.agents = Registry([], chosen="scripted")
    await bench.runs()
    await bench.phone.shakes_hands()

    sent = await bench.phone.sends("quick")
    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_AGENT_UNAVAILABLE)
    assert bench.agent.runs == bench.other_agent.runs == []


async def test_words_are_taken_by_the_agent_that_runs_and_not_by_the_one_chosen(bench: Bench) -> None:
    bench.other_agent.takes_words = False
    running = await bench.phone.sends("running")
    await bench.phone.sees(running.task_id, "started")
    async with bench.control() as control:
        await control.choose_agent("other")
    assert await bench.phone.posts(bench.phone.steer(running.task_id, "more")) is None
    bench.agent.says("running", Result("done"))
    await bench.phone.sees_end(running.task_id)

    later = await bench.phone.sends("later")
    await bench.phone.sees(later.task_id, "started")

    assert await bench.phone.posts(bench.phone.steer(later.task_id, "more")) == Reason.REASON_NOT_STEERABLE
