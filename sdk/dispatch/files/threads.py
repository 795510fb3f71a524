"""What blocks, in a thread that nobody leaves behind: it is told to stop, waited for, and what it had opened is closed.

A disk may take its time, and the loop that waits answers others meanwhile. Called by both ends of a transfer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from dispatch import errors
from dispatch.endings import to_its_end


class Closable(Protocol):
    """What a thread opens."""

    def close(self) -> None:
        """Close it; may wait for a thread that is using it."""


C = TypeVar("C", bound=Closable)

Stopped = Callable[[], bool]
"""Asked between two parts of something long: whether nobody waits for it any more."""


class Abandoned(Exception):
    """Something long was given up in its middle, because nobody waits for it any more."""


def never() -> bool:
    """Stop at nothing."""
    return False


@contextlib.asynccontextmanager
async def held(open_it: Callable[[Stopped], C], pool: Executor) -> AsyncIterator[C]:
    """Open something in a thread of the pool, and close it in a thread. Whoever is cancelled leaves no thread and nothing open."""
    stop = threading.Event()
    job = pool.submit(open_it, stop.is_set)
    opening = asyncio.wrap_future(job)
    try:
        opened = await asyncio.shield(opening)
    except asyncio.CancelledError:
        stop.set()
        if not job.cancel():
            await to_its_end(_let_go(opening))
        raise
    try:
        yield opened
    finally:
        await to_its_end(asyncio.to_thread(opened.close))


async def _let_go(opening: asyncio.Future[C]) -> None:
    with contextlib.suppress(errors.DispatchError, Abandoned):
        await asyncio.to_thread((await opening).close)
