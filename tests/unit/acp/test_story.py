"""What is kept of an agent's tool calls: enough for a question, and never more than its bound."""

from __future__ import annotations

from typing import Any

import pytest
from acp.schema import SessionNotification, ToolCallUpdate
from dispatch_host.agents import Step
from dispatch_host.agents.acp.story import CALL_BYTES, CALLS_BYTES, Story


def tell(story: Story, number: int, **more: Any) -> list[object]:
    """Have the agent begin a tool call."""
    update = {"sessionUpdate": "tool_call", "toolCallId": str(number), "title": f"call {number}", **more}
    return list(story.heard(SessionNotification.model_validate({"sessionId": "s", "update": update})))


def asked(story: Story, number: int) -> dict[str, Any]:
    """Have it ask leave for one, by its id alone."""
    return dict(story.call(ToolCallUpdate(tool_call_id=str(number))))


def test_a_question_has_all_that_was_told_of_its_call() -> None:
    story = Story()
    told = tell(story, 1, kind="execute", rawInput={"command": "make"}, locations=[{"path": "/x"}])
    story.call(ToolCallUpdate(tool_call_id="1", title="make it"))

    assert told == [Step("call 1", "/x\nmake")]
    known = asked(story, 1)
    assert (known["title"], known["kind"], known["rawInput"]) == ("make it", "execute", {"command": "make"})


def test_a_call_that_is_larger_than_is_kept_can_t_be_asked_about() -> None:
    """Not in part either: a person would say yes to less than is done."""
    story = Story()
    tell(story, 1, rawInput={"words": "x" * CALL_BYTES})

    with pytest.raises(ValueError, match="larger"):
        asked(story, 1)
    with pytest.raises(ValueError, match="larger"):
        story.call(ToolCallUpdate(tool_call_id="1", raw_input={"words": "harmless"}))


def test_of_all_calls_together_so_much_is_kept_and_the_oldest_go_first() -> None:
    story = Story()
    many = 2 * CALLS_BYTES // CALL_BYTES
    for number in range(many):
        tell(story, number, rawInput={"words": "x" * (CALL_BYTES - 1024)})

    kept = [number for number in range(many) if "rawInput" in asked(story, number)]

    assert kept == list(range(many - len(kept), many))
    assert CALLS_BYTES - 2 * CALL_BYTES < len(kept) * CALL_BYTES <= CALLS_BYTES + CALL_BYTES
