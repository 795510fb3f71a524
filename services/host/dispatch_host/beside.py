"""Works that run beside something else, for as long as it does: none outlives it, and one that breaks is heard of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Future[None]]:
    """Run these beside the body; gives a future that fails when one of them breaks. None outlives the body."""
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def look(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (failure := done.exception()) is not None and not broken.done():
            broken.set_exception(failure)

    helpers = [asyncio.create_task(work) for work in works]
    for helper in helpers:
        helper.add_done_callback(look)
    try:
        yield broken
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        broken.cancel()


async def first(event: asyncio.Event, broken: asyncio.Future[None]) -> None:
    """Wait for the event. Raises what broke, if that comes first."""
    waiting = asyncio.ensure_future(event.wait())
    either: list[asyncio.Future[Any]] = [waiting, broken]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            await broken
    finally:
        waiting.cancel()
