"""The tasks of one relay: works that go on until it stops, and whatever is to be done beside what asked for it. Made by `app`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

Work = Coroutine[object, object, None]
Spawn = Callable[[Work], None]
"""Runs a coroutine beside, in the task group of the process."""


class Beside:
    """Begins tasks in the task group of the process."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        # Touched on the loop only.
        self._works: list[asyncio.Task[None]] = []
        self._errands: set[asyncio.Task[None]] = set()

    def keep_up(self, work: Work) -> asyncio.Task[None]:
        """Begin what goes on until `stop`."""
        task = self._group.create_task(work)
        self._works.append(task)
        return task

    def spawn(self, errand: Work) -> None:
        """Begin what ends by itself; nothing, when the relay ends because something in it failed."""
        try:
            task = self._group.create_task(errand)
        except RuntimeError:
            errand.close()
            return
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def stop(self) -> None:
        """End the works."""
        for task in self._works:
            task.cancel()

    async def finish(self, *, within_seconds: float) -> None:
        """Let the errands end by themselves, then end them."""
        if self._errands:
            await asyncio.wait(self._errands, timeout=within_seconds)
        for task in self._errands:
            task.cancel()
