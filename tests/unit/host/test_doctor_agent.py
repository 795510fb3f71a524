"""What the doctor says of the agent that does the tasks."""

from __future__ import annotations

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.doctor.chain import State
from dispatch_host.agents.registry import Listed
from dispatch_host.doctor_looks import look_at_agent


def test_an_agent_that_can_be_used_is_named() -> None:
    finding = look_at_agent(Listed("built-in", "needs nothing", chosen=True, why_not=""))

    assert (finding.state, finding.text) == (State.OK, "built-in does the tasks")


def test_one_that_can_not_is_broken_with_why() -> None:
    finding = look_at_agent(Listed("llm", "a model", chosen=True, why_not="It has no key."))

    assert finding.state is State.BROKEN
    assert finding.reason == Reason.REASON_AGENT_UNAVAILABLE
    assert "It has no key." in finding.text
    assert finding.advice
