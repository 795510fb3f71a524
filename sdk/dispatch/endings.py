"""How what was begun comes to its end although somebody is cancelled. Called by services, and by both ends of a transfer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(work: Awaitable[T]) -> T:
    """Wait until it is done, also when whoever waits is cancelled: then the cancellation is raised behind it."""
    running, cancelled = asyncio.ensure_future(work), None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as asked:
            cancelled = asked
    if cancelled is not None:
        if not running.cancelled():
            running.exception()  # looked at: nobody hears of it any more
        raise cancelled
    return running.result()


async def cut(task: asyncio.Task[Any], *, again_seconds: float) -> None:
    """Cancel a task until it is over; raises what it failed with.

    Once may not be enough: `asyncio.wait_for` of Python 3.11 loses the cancellation that comes together with what it waits for.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=again_seconds)
    if not task.cancelled():
        task.result()
