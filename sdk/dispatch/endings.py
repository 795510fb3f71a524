"""How what was begun comes to its end although somebody is cancelled. Called by services, and by both ends of a transfer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
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


class Until:
    """Goes on until a future is done: what is within the `with` is cancelled then, and what is behind it follows.

    As `asyncio.timeout` does for a time. A cancellation by anybody else goes through.
    """

    __slots__ = ("_asked_before", "_done", "_is_ours", "_task")

    def __init__(self, done: asyncio.Future[Any]) -> None:
        self._done = done
        self._task: asyncio.Task[Any] | None = None
        self._asked_before = 0
        self._is_ours = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("only a task can be cancelled")
        self._asked_before = self._task.cancelling()
        self._done.add_done_callback(self._cancel)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._done.remove_done_callback(self._cancel)
        task, self._task = self._task, None  # it may be about to be called all the same
        if not self._is_ours or task is None:
            return False
        return task.uncancel() <= self._asked_before and kind is asyncio.CancelledError

    def _cancel(self, _: asyncio.Future[Any]) -> None:
        if self._task is not None:
            self._is_ours = True
            self._task.cancel()


class UnderWay:
    """Work that goes to its end, also when whoever asked for it hangs up: what is behind a commit is not left out then."""

    def __init__(self, *, limit: int | None = None) -> None:
        """Let up to `limit` at once, None for any number, go on without who asked for them."""
        self._limit = limit
        self._tasks = set[asyncio.Task[Any]]()

    async def carry_out(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, and give what it comes to. Who is cancelled does not wait for it any more, and it goes on.

        Not when too many are under way: then it ends with its caller, who can't pile up work by hanging up.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._limit is not None and len(self._tasks) > self._limit:
                task.cancel()
            raise

    async def finish(self, *, grace_seconds: float | None = None) -> None:
        """Wait for all that is under way; what is still there after the grace, if there is one, is cut."""
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
            task.exception()  # looked at: nobody hears of it who has gone
