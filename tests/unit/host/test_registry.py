"""Which agent does the next task: the one that was chosen, and no other in its place."""

from __future__ import annotations

import pytest
from dispatch import errors
from dispatch_host.agents import NotDone, NotDoneReason
from dispatch_host.agents.registry import Known, Registry

from tests.support.agents import last, run
from tests.support.host_bench import ScriptedAgent


async def _no_key() -> str:
    return "It has no key."


AGENT = ScriptedAgent()
KNOWN = (
    Known(name="built-in", about="needs nothing", make=lambda: AGENT),
    Known(name="llm", about="needs a key", make=ScriptedAgent, why_not=_no_key),
)


async def test_each_agent_is_listed_with_why_it_can_not_be_used() -> None:
    listed = await Registry(KNOWN).listed()

    assert [(one.name, one.chosen, one.why_not) for one in listed] == [
        ("built-in", True, ""),
        ("llm", False, "It has no key."),
    ]


async def test_one_that_can_not_be_used_may_not_be_chosen() -> None:
    registry = Registry(KNOWN)

    with pytest.raises(errors.AgentUnavailable) as refused:
        await registry.check("llm")
    assert refused.value.detail == "It has no key."
    with pytest.raises(errors.BadRequest):
        await registry.check("nobody")
    await registry.check("built-in")


async def test_an_agent_that_is_gone_does_no_task_and_no_other_steps_in() -> None:
    registry = Registry(KNOWN)
    registry.choose("acp:gone")

    chosen = registry.for_next_task()

    assert chosen.name == "acp:gone"
    end = last(await run(chosen.agent, "Which files are largest?"))
    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_UNAVAILABLE
    assert AGENT.runs == []
    gone = (await registry.listed())[-1]
    assert (gone.name, gone.chosen) == ("acp:gone", True)
    assert gone.why_not


def test_the_chosen_agent_does_the_next_task() -> None:
    registry = Registry(KNOWN)

    assert registry.for_next_task().agent is AGENT
    registry.choose("llm")
    assert registry.for_next_task().agent is not AGENT
    assert registry.for_next_task().name == "llm"
