"""Waiting for something that no event announces. Everything that announces itself is waited for there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DEADLINE_SECONDS = 40.0


async def until(holds: Callable[[], object]) -> None:
    """Wait until the condition holds; fails after DEADLINE_SECONDS."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():  # noqa: ASYNC110 -- for what no event announces, as the module says
            await asyncio.sleep(0.01)
