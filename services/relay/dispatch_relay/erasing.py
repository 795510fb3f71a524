"""Pairings that are over and not erased yet: a few at a time, beside everything else. Filled by `relay`, as the feed tells of them.

News of the pairing service wait for none of it: a new relay hears of every pairing that ever ended, and one that is stuck
because another relay has its seat must not keep a revocation waiting. Knows no rooms and no store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from dispatch.ids import PairId

from dispatch_relay.presence import End

AT_ONCE = 64
PATIENCE_SECONDS = 5.0
"""How long one that is not done keeps others from its place; then it is behind them."""


class Erase(Protocol):
    """Erases a pairing, and returns when nothing of it is stored any more. May be cancelled and called again."""

    async def __call__(self, pair_id: PairId, *, ended_by: End | None) -> None: ...


class Erasing:
    """What is owed, in the order in which it was told."""

    def __init__(self, erase: Erase, *, at_once: int = AT_ONCE, patience_seconds: float = PATIENCE_SECONDS) -> None:
        # Fixed after __init__.
        self._erase = erase
        self._at_once = at_once
        self._patience_seconds = patience_seconds
        # Touched on the loop only.
        self._owed: dict[PairId, tuple[End | None, asyncio.Future[None]]] = {}
        self._queue: asyncio.Queue[PairId] = asyncio.Queue()

    def owe(self, ended: Mapping[PairId, End | None]) -> None:
        """Take what is over. One that is owed already is erased once."""
        loop = asyncio.get_running_loop()
        for pair_id, ended_by in ended.items():
            if pair_id not in self._owed:
                self._owed[pair_id] = (ended_by, loop.create_future())
                self._queue.put_nowait(pair_id)

    async def settled(self) -> None:
        """Wait until everything that is owed now is erased; what comes later is not waited for."""
        if self._owed:
            await asyncio.wait([erased for _, erased in self._owed.values()])

    async def run(self) -> None:
        """Erase until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            pair_id = await self._queue.get()
            ended_by, erased = self._owed[pair_id]
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await self._erase(pair_id, ended_by=ended_by)
            except TimeoutError:
                self._queue.put_nowait(pair_id)
            else:
                del self._owed[pair_id]
                erased.set_result(None)
