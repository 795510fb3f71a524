"""Which task has which browser, without a browser: one ends before the next begins, also for a caller who is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from dispatch_host.agents import Task
from dispatch_host.agents.toolbox import Work
from dispatch_host.browser.tasks import Sessions

from tests.support.agents import Nobody, OpenGate


class Slow:
    """Browsers that end when they may."""

    def __init__(self) -> None:
        self.begun = 0
        self.ending, self.may_end = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def session(self, **_: object) -> AsyncIterator[object]:
        self.begun += 1
        try:
            yield object()
        finally:
            self.ending.set()
            await self.may_end.wait()


def work(task_id: str) -> Work:
    async def tell(_: object) -> None:
        pass

    return Work(Task(task_id, "x"), OpenGate(), Nobody(), tell)


async def test_a_task_that_is_cancelled_while_the_browser_before_ends_starts_none() -> None:
    browser = Slow()
    sessions = Sessions(cast(Any, browser))
    await sessions.of(work("first"), new=True)
    asking = asyncio.create_task(sessions.of(work("second"), new=True))
    await browser.ending.wait()

    asking.cancel()
    await asyncio.sleep(0)
    browser.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert browser.begun == 1
