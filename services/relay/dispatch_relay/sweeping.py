"""Forgets what is old, turn after turn, so that what others write meanwhile is committed between. Called by `rooms`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from dispatch_relay.log import Done, Failed, Op, Sweep, Then


async def sweep(submit: Callable[[Op, Then], None], op: Sweep) -> Done | Failed:
    """Sweep from the turn `op` on, by the log's `submit`. Gives what came of the last turn; one that failed ends it."""
    while True:
        told: asyncio.Future[Done | Failed] = asyncio.get_running_loop().create_future()
        submit(op, lambda result, told=told: told.done() or told.set_result(result))  # type: ignore[misc]  # a lambda's default
        result = await told
        if isinstance(result, Failed) or result.swept_to is None:
            return result
        op = replace(op, after=result.swept_to)
