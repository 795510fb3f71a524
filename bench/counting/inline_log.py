"""The relay's log without threads: the real writer on a real file, called on the loop. Used by `small_relay`.

What is submitted in one turn of the loop is one transaction, and is told in the next turn: the group commit of `sqlite.log`
with a disk that takes no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from dispatch.ids import PairId
from dispatch_relay.log import Done, Failed, Op, Row, Then, Thread, Untold
from dispatch_relay.presence import Standing
from dispatch_relay.push.target import Target
from dispatch_relay.sqlite import reading
from dispatch_relay.sqlite import version as sqlite_version
from dispatch_relay.sqlite.committer import OnCommit
from dispatch_relay.sqlite.connecting import connect
from dispatch_relay.sqlite.writer import Writer


class InlineLog:
    """A `Log` of one thread. What only a whole service asks for is empty."""

    def __init__(self, path: Path, *, thread_bytes: int, on_commit: OnCommit) -> None:
        """Open or make the store. Raises errors.StoreFailed."""
        sqlite_version.upgrade(path)
        # Fixed after __init__.
        self._loop = asyncio.get_running_loop()
        self._reading = connect(path)
        self._writer = Writer(connect(path), thread_bytes=thread_bytes)
        self._on_commit = on_commit
        self._queue: list[tuple[Op, Then]] = []

    def submit(self, op: Op, then: Then) -> None:
        if not self._queue:
            self._loop.call_soon(self._commit)
        self._queue.append((op, then))

    def _commit(self) -> None:
        batch, self._queue = self._queue, []
        results = self._writer.commit([op for op, _ in batch])
        self._loop.call_soon(self._committed, batch, results)

    def _committed(self, batch: Sequence[tuple[Op, Then]], results: Sequence[Done | Failed]) -> None:
        self._on_commit(len(batch), 0.0)
        for (_, then), result in zip(batch, results, strict=True):
            then(result)

    async def thread(self, pair_id: PairId) -> Thread:
        return reading.thread(self._reading, pair_id)

    async def rows(self, pair_id: PairId, *, after_seq: int, limit_bytes: int) -> Sequence[Row]:
        return reading.rows(self._reading, pair_id, after_seq, limit_bytes)

    async def unsettled(self) -> Sequence[PairId]:
        return ()

    async def target(self, pair_id: PairId) -> Target | None:
        return None

    async def standings(self) -> Mapping[Standing, int]:
        return {}

    async def untold(self, *, limit: int) -> Untold:
        return Untold()

    async def close(self) -> None:
        if self._queue:
            self._commit()
        self._writer.close()
        self._reading.close()
