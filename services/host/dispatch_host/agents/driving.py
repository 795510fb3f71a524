"""An agent's work, and the reading of what it tells, side by side: what the work tells waits in a queue, and its end is the last.

Called by the agents whose work is one coroutine that tells as it goes: external ones and the language model. Knows neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias

from dispatch_host.agents.agent import AgentEvent, NotDone, Result

Events: TypeAlias = asyncio.Queue[AgentEvent | BaseException]
"""What was told and is not read yet. Bounded: then the work waits for who reads."""


async def driven(work: Callable[[], Awaitable[Result | NotDone]], events: Events) -> AsyncGenerator[AgentEvent, None]:
    """Let the work go on, and give what it tells and its end. Raises what it raises; closed, it ends the work and waits for it."""
    working = asyncio.create_task(_ended(work, events))
    try:
        while True:
            event = await events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, Result | NotDone):
                return
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _ended(work: Callable[[], Awaitable[Result | NotDone]], events: Events) -> None:
    try:
        last: AgentEvent | BaseException = await work()
    except BaseException as failure:
        asked = asyncio.current_task()
        if asked is not None and asked.cancelling():
            raise
        last = failure  # also a cancellation that nobody asked for: whoever reads must hear of it
    await events.put(last)
