"""How long an answer of a model provider may be, in bytes, in a line and in what it says. Whoever runs that server is a stranger.

How many tokens were asked for is a wish to it. Over a bound the answer is broken off, and not asked for again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
from pydantic_ai.messages import (
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)

_FAULT_BYTES = 64 * 1024
_EVENTS_BYTES = 1024  # for each token: an event may have one, and around it all that the provider writes into each
_SAID_CHARACTERS = 16  # for each token: the longest are runs of spaces
_LEAST_BYTES = 1024 * 1024
_LEAST_CHARACTERS = 64 * 1024


class TooMuch(Exception):
    """The answer is longer than what was asked for can be."""


class Bounds:
    """The bounds of the answers of one model."""

    def __init__(self, answer_tokens: int) -> None:
        """`answer_tokens` is how long an answer may be by the settings."""
        self._whole_bytes = _LEAST_BYTES + _EVENTS_BYTES * answer_tokens
        self._line_bytes = _LEAST_BYTES + _SAID_CHARACTERS * answer_tokens
        self.said_characters = _LEAST_CHARACTERS + _SAID_CHARACTERS * answer_tokens

    async def on(self, response: httpx2.Response) -> None:
        """Bound a response before its body is read: as a hook of the client, so that its proxies stay its own business."""
        most = self._whole_bytes if response.is_success else _FAULT_BYTES
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  this is an asynchronous client
        response.stream = _Bounded(response.stream, most, self._line_bytes)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise TooMuch  # nobody asked for it, and what comes out of it has no bound


class _Bounded(httpx2.AsyncByteStream):
    """A body, up to its bounds."""

    def __init__(self, inner: httpx2.AsyncByteStream, whole_bytes: int, line_bytes: int) -> None:
        self._inner = inner
        self._whole_bytes = whole_bytes
        self._line_bytes = line_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = line = 0
        async for chunk in self._inner:
            whole += len(chunk)
            end = chunk.rfind(b"\n")
            line = len(chunk) - end - 1 if end >= 0 else line + len(chunk)
            if whole > self._whole_bytes or line > self._line_bytes:
                raise TooMuch
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def characters(event: ModelResponseStreamEvent) -> int:
    """Count what an event adds to an answer: words, thoughts, and the arguments of calls."""
    match event:
        case PartStartEvent(part=TextPart(content=said) | ThinkingPart(content=said)):
            return len(said)
        case PartStartEvent(part=ToolCallPart(args=said, tool_name=name)):
            return len(name) + (len(said) if isinstance(said, str) else 0)
        case PartDeltaEvent(delta=TextPartDelta(content_delta=said) | ThinkingPartDelta(content_delta=said)):
            return len(said or "")
        case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=said, tool_name_delta=name)):
            return len(name or "") + (len(said) if isinstance(said, str) else 0)
    return 0
