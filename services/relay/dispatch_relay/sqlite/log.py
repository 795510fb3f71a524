"""The log in SQLite: whatever is queued is committed in one transaction (`committer`), and two threads read.

Group commit is what makes durable cheap: while one commit waits for the disk, the next batch gathers by itself. Every
decision inside a transaction is a table of `verdict` or an index; what is committed is told on the event loop in order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from dispatch import errors
from dispatch.ids import PairId

from dispatch_relay.log import Op, Row, Then, Thread, Untold
from dispatch_relay.presence import Standing
from dispatch_relay.push.target import Target
from dispatch_relay.sqlite import reading, version
from dispatch_relay.sqlite.committer import Committer, OnCommit
from dispatch_relay.sqlite.connecting import BUSY_SECONDS, connect
from dispatch_relay.sqlite.writer import Writer

T = TypeVar("T")


class SqliteLog:
    """A `Log` in one file. `open` makes one."""

    def __init__(self, path: Path, *, thread_bytes: int, busy_seconds: float, on_commit: OnCommit) -> None:
        # Fixed after __init__.
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="log-read")
        self._local = threading.local()
        self._read_connections: list[sqlite3.Connection] = []
        writer = Writer(connect(path), thread_bytes=thread_bytes, busy_seconds=busy_seconds)
        self._committer = Committer(writer, on_commit=on_commit)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        thread_bytes: int = 64 * 1024 * 1024,
        busy_seconds: float = BUSY_SECONDS,
        on_commit: OnCommit = lambda ops, seconds: None,
    ) -> SqliteLog:
        """Open or make the store, or bring an older one up to date.

        `on_commit` is told ops and seconds of each commit, on the loop. Raises errors.StoreFailed.
        """
        try:
            await asyncio.to_thread(version.upgrade, path)
            return cls(path, thread_bytes=thread_bytes, busy_seconds=busy_seconds, on_commit=on_commit)
        except sqlite3.Error as failure:
            raise errors.StoreFailed(str(failure)) from failure

    @property
    def queued(self) -> int:
        """How many ops wait for the next commit."""
        return self._committer.queued

    def submit(self, op: Op, then: Then) -> None:
        self._committer.submit(op, then)

    async def close(self) -> None:
        await self._committer.close()
        self._readers.shutdown()
        for db in self._read_connections:
            db.close()

    # ---- the readers' threads

    async def _read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            db: sqlite3.Connection | None = getattr(self._local, "db", None)
            if db is None:
                db = self._local.db = connect(self._path)
                self._read_connections.append(db)
            return ask(db)

        try:
            return await self._loop.run_in_executor(self._readers, run)
        except sqlite3.Error as failure:
            raise errors.StoreFailed(str(failure)) from failure

    async def thread(self, pair_id: PairId) -> Thread:
        return await self._read(lambda db: reading.thread(db, pair_id))

    async def rows(self, pair_id: PairId, *, after_seq: int, limit_bytes: int) -> Sequence[Row]:
        return await self._read(lambda db: reading.rows(db, pair_id, after_seq, limit_bytes))

    async def unsettled(self) -> Sequence[PairId]:
        return await self._read(reading.unsettled)

    async def target(self, pair_id: PairId) -> Target | None:
        return await self._read(lambda db: reading.target(db, pair_id))

    async def standings(self) -> Mapping[Standing, int]:
        return await self._read(reading.standings)

    async def untold(self, *, limit: int) -> Untold:
        return await self._read(lambda db: reading.untold(db, limit))
