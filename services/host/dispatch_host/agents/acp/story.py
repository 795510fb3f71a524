"""What an agent says while it works, as the thread tells it: updates in, events out. Knows no pipe, no thread.

What it said last, after its last tool call, is the result; what it said before is a step. Everything has a bound, whatever
the agent sends: live text, steps, tool calls that are remembered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from acp.schema import (
    AgentMessageChunk,
    AgentPlanUpdate,
    AgentThoughtChunk,
    PlanEntry,
    SessionNotification,
    TextContentBlock,
    ToolCallProgress,
    ToolCallStart,
    ToolCallUpdate,
)

from dispatch_host.agents.acp.plain import line, plain
from dispatch_host.agents.agent import Progress, Step, Text

RESULT_BYTES = 44 * 1024
_DELTA_BYTES = 16 * 1024
_LIVE_CHARACTERS = 1024 * 1024
_KEPT_CHARACTERS = 2 * RESULT_BYTES  # of what may become the result: white space at its ends goes
_CALLS = 1000
CALL_BYTES = 1024 * 1024
CALLS_BYTES = 16 * 1024 * 1024
_DETAIL_BYTES = 4096
_PLACES = 5
_TOO_LARGE = "tooLarge"  # ours, and stays: what was left out of a call never comes back into it

Call = Mapping[str, Any]
"""A tool call as far as the agent has told of it, in the words of the protocol."""


class Story:
    """Turns updates into events, and remembers what approvals need of tool calls. Its fields are touched by one task."""

    def __init__(self) -> None:
        self._said = ""
        self._live_characters = 0
        self._over = 0  # tool calls that have ended
        self._calls: dict[str, dict[str, bytes]] = {}  # each part as JSON: read, it may be many times as large
        self._calls_bytes = 0
        self._plan: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """Give what it said last."""
        return plain(self._said.strip(), RESULT_BYTES)

    def heard(self, notification: SessionNotification) -> Iterator[Step | Text | Progress]:
        """Give what an update tells a person, which may be nothing."""
        match notification.update:
            case AgentMessageChunk(content=TextContentBlock(text=text)):
                yield from self._text(text)
            case AgentThoughtChunk():
                yield Progress(self._over, 0, "steps")  # it lives; what it thinks is its own
            case ToolCallStart() as call:
                yield from self._before()
                self._remember(call)
                yield Step(line(call.title), _detail(self._known(call.tool_call_id)))
            case ToolCallProgress() as call:
                yield from self._moved(call)
            case AgentPlanUpdate(entries=entries):
                yield from self._planned(entries)
            case _:
                pass

    def call(self, update: ToolCallUpdate | ToolCallStart) -> Call:
        """Add what an update tells of a tool call to what is known, and give all of it. Raises ValueError for too much."""
        if not self._remember(update):
            raise ValueError("it is larger than what is kept of a tool call")
        return self._known(update.tool_call_id)

    def _remember(self, update: ToolCallUpdate | ToolCallStart) -> bool:
        """Keep what is told of a tool call, the oldest going first; False when this one has become too large, and is not kept."""
        parts = self._calls.pop(update.tool_call_id, {})
        self._calls_bytes -= _size(parts)
        said = update.model_dump(mode="json", by_alias=True, exclude_none=True)
        parts |= {name: _json(value) for name, value in said.items() if name not in ("sessionUpdate", "_meta")}
        fits = _size(parts) <= CALL_BYTES
        if not fits:
            parts = {
                name: part for name, part in parts.items() if name in ("title", "kind") and len(part) <= _DETAIL_BYTES
            }
            parts[_TOO_LARGE] = b"true"
        self._calls[update.tool_call_id] = parts
        self._calls_bytes += _size(parts)
        while len(self._calls) > _CALLS or self._calls_bytes > CALLS_BYTES:
            self._calls_bytes -= _size(self._calls.pop(next(iter(self._calls))))
        return _TOO_LARGE not in parts

    def _known(self, tool_call_id: str) -> Call:
        return {name: json.loads(part) for name, part in self._calls.get(tool_call_id, {}).items()}

    def _text(self, text: str) -> Iterator[Text]:
        if len(self._said) <= _KEPT_CHARACTERS:
            self._said += text
        if self._live_characters < _LIVE_CHARACTERS:
            delta = plain(text, _DELTA_BYTES)
            self._live_characters += len(delta)
            if delta:
                yield Text(delta)

    def _before(self) -> Iterator[Step]:
        """Keep what it said before a tool call."""
        said, self._said = self._said.strip(), ""
        if said:
            title = line(said.partition("\n")[0], 160)
            yield Step(title, "" if said == title else plain(said, _DETAIL_BYTES))

    def _moved(self, call: ToolCallProgress) -> Iterator[Step | Progress]:
        self._remember(call)
        if call.status not in ("completed", "failed"):
            return
        self._over += 1
        if call.status == "failed":
            known = self._known(call.tool_call_id)
            yield Step(f"Failed: {line(str(known.get('title', 'a tool')))}", _detail(known))
        yield Progress(self._over, 0, "steps")

    def _planned(self, entries: list[PlanEntry]) -> Iterator[Step | Progress]:
        """Tell a plan when its words change; how far it is, each time."""
        words = tuple(line(entry.content) for entry in entries[:100])
        if words and words != self._plan:
            self._plan = words
            yield Step("Plan", plain("\n".join(f"- {one}" for one in words), _DETAIL_BYTES))
        yield Progress(sum(entry.status == "completed" for entry in entries), len(entries), "steps")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _size(parts: Mapping[str, bytes]) -> int:
    return sum(map(len, parts.values()))


def _detail(call: Call) -> str:
    """Tell the places that a tool call names, and the command."""
    places = [line(str(one.get("path", ""))) for one in call.get("locations", [])[:_PLACES]]
    given = call.get("rawInput")
    command = given.get("command") if isinstance(given, dict) else None
    if isinstance(command, list):
        command = " ".join(map(str, command))
    if isinstance(command, str):
        places.append(line(command, 1000))
    return "\n".join(places)
