"""The conversation with a model: earlier tasks of the thread, this one, and what was said and called in it. Bounded; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)

from dispatch_host.agents.agent import Turn
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.llm.calling import clean

_TURNS = 20
_TURN_BYTES = 64 * 1024  # of all earlier turns together
_ONE_TURN_BYTES = 16 * 1024
_DEEDS = 40
_DEED_CHARACTERS = 300
_LEFT_OUT = "(Left out: the conversation is too long. Call the tool again if it is needed.)"


class Conversation:
    """What the model is sent, anew with each request."""

    def __init__(self, *, instructions: str, history: Sequence[Turn], text: str, kept_bytes: int) -> None:
        """`text` is the task, `kept_bytes` how much of what tools gave is kept."""
        self._instructions = instructions
        self._kept_bytes = kept_bytes
        self._messages: list[ModelMessage] = [*_earlier(history)]
        self._add(UserPromptPart(content=clean(text).strip() or "(The person sent no words.)"))
        self._deeds: list[str] = []

    def messages(self) -> Sequence[ModelMessage]:
        """Give the whole of it."""
        return self._messages

    def heard(self, words: Sequence[str]) -> None:
        """Add what the person said meanwhile."""
        self._add(*(UserPromptPart(content=f"(Said while you work:) {clean(text)}") for text in words))

    def answered(self, answer: ModelResponse) -> None:
        """Add what the model said and called."""
        self._messages.append(answer)

    def called(self, returns: Sequence[ToolReturnPart]) -> None:
        """Add what came of its calls: one for each, right behind them, as every provider wants it."""
        self._add(*returns)
        self._trim()

    def did(self, deed: str) -> None:
        """Note what was called, for the tasks after this one."""
        self._deeds = [*self._deeds, deed[:_DEED_CHARACTERS]][-_DEEDS:]

    def shrink(self) -> bool:
        """Keep half of it; False when there is nothing left to leave out."""
        if self._kept_bytes < 2048:
            return False
        self._kept_bytes //= 2
        first = next(i for i, one in enumerate(self._messages) if isinstance(one, ModelRequest) and one.instructions)
        turns = first // 2  # each is a question and an answer
        del self._messages[: (turns + 1) // 2 * 2]
        self._trim()
        return True

    def memory(self) -> Mapping[str, JSON]:
        """Give what later tasks of the thread may know beside the words: which tools were called, not what they gave."""
        return {"did": list(self._deeds)} if self._deeds else {}

    def _add(self, *parts: ModelRequestPart) -> None:
        if parts:
            last = self._messages[-1] if self._messages else None
            if isinstance(last, ModelRequest) and last.instructions:
                # Two requests in a row are one: providers want question and answer by turns.
                self._messages[-1] = replace(last, parts=[*last.parts, *parts])
            else:
                self._messages.append(ModelRequest(parts=list(parts), instructions=self._instructions))

    def _trim(self) -> None:
        """Leave out what tools gave long ago, so that the whole keeps its bound."""
        left = self._kept_bytes
        for place in range(len(self._messages) - 1, -1, -1):
            message = self._messages[place]
            if not isinstance(message, ModelRequest):
                continue
            parts: list[ModelRequestPart] = []
            for part in message.parts:
                if isinstance(part, ToolReturnPart) and part.content != _LEFT_OUT:
                    size = len(str(part.content))
                    left -= size
                    if left < 0:
                        part = ToolReturnPart(part.tool_name, _LEFT_OUT, part.tool_call_id)  # noqa: PLW2901 -- the same part, emptied
                parts.append(part)
            self._messages[place] = replace(message, parts=parts)


def _earlier(history: Sequence[Turn]) -> list[ModelMessage]:
    """Write the earlier tasks as questions and answers, the latest ones if not all have room."""
    kept: list[ModelMessage] = []
    left = _TURN_BYTES
    for turn in reversed(history[-_TURNS:]):
        asked = _cut(turn.task_text) or "(no words)"
        answer = _cut(_answer(turn))
        left -= len(asked.encode()) + len(answer.encode())
        if left < 0:
            break
        kept = [
            ModelRequest(parts=[UserPromptPart(content=asked)]),
            ModelResponse(parts=[TextPart(content=answer)]),
            *kept,
        ]
    return kept


def _answer(turn: Turn) -> str:
    deeds = turn.memory.get("did")
    done = [str(one)[:_DEED_CHARACTERS] for one in deeds[:_DEEDS]] if isinstance(deeds, list) else []
    called = f"(Called: {'; '.join(done)})\n\n" if done else ""
    ended = "" if turn.outcome == "done" else f"(This task ended as {turn.outcome}.)\n\n"
    return f"{called}{ended}{turn.result_text}".strip() or "(nothing)"


def _cut(text: str) -> str:
    content = clean(text).encode()
    if len(content) <= _ONE_TURN_BYTES:
        return content.decode()
    return f"{content[:_ONE_TURN_BYTES].decode(errors='ignore')}… (cut)"
