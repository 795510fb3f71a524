"""A model provider that sends without end: the answer is broken off, is not asked for again, and fills no memory."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import pytest
from dispatch_host.agents import NotDone, NotDoneReason, Result

from tests.support.model_server import Endless, Say
from tests.support.waiting import DEADLINE_SECONDS
from tests.unit.llm.conftest import Desk

FEW, MANY = 100, 40_000
"""Tokens: so many that only the bound of what is sent ends the answer before too much, or that it would come too late."""
TOO_MUCH_BYTES = 24 * 1024 * 1024
"""Far more than the bounds let through and a connection holds, and less than what `MANY` lets be sent."""


def openai(**delta: Any) -> bytes:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**chunk, 'choices': [{'index': 0, 'delta': delta}]})}\n\n".encode()


def anthropic(kind: str, **said: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "read_file", "arguments": "A" * 5_000}}
BEGUN = anthropic(
    "message_start",
    message={
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
)
ENDLESS = {
    "a line": ("openai", Endless(b"A" * 100_000, first=b"data: ")),
    "words": ("openai", Endless(openai(role="assistant", content="A" * 5_000))),
    "a call": ("openai", Endless(openai(role="assistant", tool_calls=[CALL]))),
    "nothing": ("openai", Endless(b": still here\n\n" * 1000)),
    "empty events": ("openai", Endless(openai(content="") * 100)),
    "a fault": ("openai", Endless(b" " * 10_000, status=500)),
    "a line, too": ("anthropic", Endless(b"A" * 100_000, first=b"data: ")),
    "thoughts": (
        "anthropic",
        Endless(
            anthropic("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "A" * 5_000}),
            first=BEGUN
            + anthropic(
                "content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}
            ),
        ),
    ),
    "arguments": (
        "anthropic",
        Endless(
            anthropic("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "A" * 5_000}),
            first=BEGUN
            + anthropic(
                "content_block_start", index=0, content_block={"type": "tool_use", "id": "c", "name": "x", "input": {}}
            ),
        ),
    ),
}


# Each reads a megabyte or more; these two go the ways that all of them go.
QUICK = ("words", "a line, too")


@pytest.mark.parametrize("how", [one if one in QUICK else pytest.param(one, marks=pytest.mark.big) for one in ENDLESS])
async def test_an_answer_without_end_is_broken_off_and_not_asked_for_again(make_desk: Any, how: str) -> None:
    provider, endless = ENDLESS[how]
    desk: Desk = make_desk(provider)
    desk.set(answer_tokens=FEW if how in {"nothing", "empty events"} else MANY)
    desk.server.says(endless)

    end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert (end.reason, "more than was asked for" in end.text) == (NotDoneReason.AGENT_FAILED, True)
    assert len(desk.server.asked) == 1
    async with asyncio.timeout(DEADLINE_SECONDS):
        await desk.server.left.wait()
    assert desk.server.sent_bytes < TOO_MUCH_BYTES


async def test_what_is_compressed_is_not_read_for_nobody_asked_for_it(desk: Desk) -> None:
    desk.server.says(Endless(zlib.compress(b"A" * 1_000_000), headers={"content-encoding": "deflate"}, most=1))

    end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert "more than was asked for" in end.text
    assert desk.server.asked[0].headers["accept-encoding"] == "identity"


async def test_as_long_an_answer_as_was_asked_for_is_taken_with_all_that_is_written_around_it(one_desk: Desk) -> None:
    one_desk.set(answer_tokens=2_000)
    words = "word " * 2_000
    one_desk.server.says(Say(words))

    assert await one_desk.does("tell me all") == Result(words.strip())
