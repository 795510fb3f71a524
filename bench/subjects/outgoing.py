"""What waits to be written where writing has to be awaited: one writer, which goes on for as long as there is something."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Outgoing(Generic[T]):
    """The queue of one connection. Each thing is written by itself: nothing is put together."""

    def __init__(self, write: Callable[[T], Awaitable[object]], *, failed: Callable[[str], None]) -> None:
        self._write, self._failed = write, failed
        self._waiting: deque[T] = deque()
        self._writer: asyncio.Task[None] | None = None

    def add(self, one: T) -> None:
        """Write it as soon as what was added before is written."""
        self._waiting.append(one)
        if self._writer is None:
            self._writer = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write nothing more."""
        self._waiting.clear()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._write(self._waiting.popleft())
        except Exception as failure:  # whatever a library raises, the end of this pair is what it means
            self._failed(f"writing failed: {failure!r}")
        finally:
            self._writer = None
