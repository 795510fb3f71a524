"""The answers that are being worked out: each goes to its end, also when its caller hangs up. Called by `desk`.

What is behind a commit is not left out then: the bell, the counts, the line in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class UnderWay:
    """Keeps what is being worked out."""

    def __init__(self, *, limit: int) -> None:
        """Take up to how many at once go on without their callers."""
        self._limit = limit
        self._tasks = set[asyncio.Task[Any]]()

    async def answer(self, work: Coroutine[Any, Any, T]) -> T:
        """Work an answer out. Who is cancelled does not wait for it any more, and it goes on.

        Not when too many are under way: then it ends with its caller, who can't pile up work by hanging up.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if len(self._tasks) > self._limit:
                task.cancel()
            raise

    async def finish(self, *, grace_seconds: float) -> None:
        """Wait for all that is under way; what is still there after the grace is cut."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: of a caller who has hung up nobody hears it
