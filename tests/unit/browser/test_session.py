"""How long a call waits for the worker, without a browser: as long as somebody is asked, and then a call's time again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from dispatch_host.agents.asking import Allowed, Approval
from dispatch_host.browser import wire
from dispatch_host.browser.session import Session, SessionOver
from dispatch_host.permissions.permission import BROWSER

from tests.support.agents import YES, Nobody, OpenGate
from tests.support.waiting import DEADLINE_SECONDS, until

CALL_SECONDS = 3.0
"""Longer than a busy computer stands still between two steps of a test."""
SITE = "https://a.example/"

pytestmark = pytest.mark.big


class Hand(Nobody):
    """A person who answers when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def may(self, question: Approval) -> Allowed:
        self.asked.append(question)
        await self.may_answer.wait()
        return YES


@dataclass
class Worker:
    """A worker that says what the test has it say, and keeps what it is told. `answer` is what it says when it is let send."""

    answer: dict[str, object] = field(default_factory=dict)
    reader: asyncio.StreamReader = field(default_factory=asyncio.StreamReader)
    told: list[bytes] = field(default_factory=list)

    @property
    def writer(self) -> Worker:
        return self

    def write(self, line: bytes) -> None:
        self.told.append(line)
        if self.answer and b"answer" in line:
            self.reader.feed_data(wire.line(self.answer))

    def sends(self) -> None:
        """Say that the page would send something."""
        sends = {"number": 1, "method": "POST", "url": SITE, "body": "x", "kind": "text/plain", "page": SITE}
        self.reader.feed_data(wire.line({"sends": sends}))


@asynccontextmanager
async def opening(worker: Worker, hand: Hand) -> AsyncIterator[asyncio.Task[Any]]:
    """Be in the middle of a call that opens a page."""
    session = Session(
        cast(Any, worker), gate=cast(Any, OpenGate([], BROWSER)), ask=hand, turned_away=[], call_seconds=CALL_SECONDS
    )
    listening = asyncio.create_task(session.listen())
    call = asyncio.create_task(session.page("open", url=SITE))
    try:
        await until(lambda: worker.told)
        yield call
    finally:
        for task in (call, listening):
            task.cancel()
        await asyncio.gather(call, listening, return_exceptions=True)


async def longer_than_a_call() -> None:
    clock = asyncio.get_running_loop()
    end = clock.time() + 2 * CALL_SECONDS
    await until(lambda: clock.time() > end)


async def test_a_worker_silent_behind_a_long_question_is_ended_in_a_call_s_time() -> None:
    worker, hand = Worker(), Hand()
    async with opening(worker, hand) as call:
        worker.sends()
        await until(lambda: hand.asked)
        await longer_than_a_call()
        assert not call.done()

        hand.may_answer.set()

        await asyncio.wait([call], timeout=DEADLINE_SECONDS)
        assert call.done()
        with pytest.raises(SessionOver):
            call.result()


async def test_a_worker_that_answers_behind_a_long_question_is_heard() -> None:
    page = {"url": SITE, "title": "A", "text": "words", "part": 1, "parts": 1, "notes": []}
    worker, hand = Worker(answer={"reply": 1, "page": page}), Hand()
    async with opening(worker, hand) as call:
        worker.sends()
        await until(lambda: hand.asked)
        await longer_than_a_call()

        hand.may_answer.set()

        async with asyncio.timeout(DEADLINE_SECONDS):
            assert (await call).title == "A"
