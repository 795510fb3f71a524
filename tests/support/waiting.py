"""Waiting for something that no event announces. Everything that announces itself is waited for there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_SECONDS = 120.0
"""For everything that a test waits for. Long, since it says that something never happens and not that it took its time."""


async def until(holds: Callable[[], object]) -> None:
    """Wait until the condition holds; fails after DEADLINE_SECONDS."""

    async def so() -> object:
        return holds()

    await until_so(so)


async def until_so(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait until what has to be asked for holds; fails after DEADLINE_SECONDS."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await holds():  # noqa: ASYNC110 -- for what no event announces, as the module says
            await asyncio.sleep(0.01)


async def turns() -> None:
    """Let all that is ready go on, for some turns of the loop: for what is to be seen not to happen."""
    for _ in range(10):
        await asyncio.sleep(0)
