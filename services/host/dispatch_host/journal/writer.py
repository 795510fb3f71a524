"""One thread that owns the connection. A step is a function over it: all of a step is on the disk, or nothing of it.

Whatever steps are queued share one transaction and one flush (group commit); each has its own savepoint, so that one
that fails takes nothing of the others with it. Knows no tables beyond their making.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from dispatch import errors

from dispatch_host.journal.schema import prepare

Tx: TypeAlias = sqlite3.Connection
"""What a step works on: the connection, inside a transaction that the writer ends."""

T = TypeVar("T")

_GROUP = 64
_CACHE_KIB = 4096


@dataclass(slots=True)
class _Queued:
    work: Callable[[Tx], Any]
    future: Future[Any]
    result: Any = None
    failure: BaseException | None = None

    def settle(self) -> None:
        if self.failure is not None:
            self.future.set_exception(self.failure)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs steps one after the other on its own thread. Open it before the first, close it after the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.failed: Callable[[], None] = lambda: None
        """Hears of each step that could not be stored, on the journal's thread. Set by the app."""

    def open(self) -> None:
        """Open the file, made if need be, and start the thread. Raises StoreFailed."""
        try:
            # Made by us so that nobody else can read it for even a moment; SQLite gives its side files the same mode.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            prepare(connection)
        except (OSError, sqlite3.Error) as failure:
            raise errors.StoreFailed(f"{self._path.name}: {failure}") from failure
        self._thread = threading.Thread(target=self._run, args=(connection,), name="journal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued and close the file."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    async def step(self, work: Callable[[Tx], T]) -> T:
        """Run a step and wait until it is on the disk. Raises what the step raised, or StoreFailed.

        Cancelled before its turn it does not run; cancelled in its turn it may or may not be on the disk.
        """
        if self._thread is None:
            raise errors.StoreFailed(f"{self._path.name}: closed")  # else it would wait for ever
        future: Future[T] = Future()
        self._queue.put(_Queued(work, future))
        return await asyncio.wrap_future(future)

    def _run(self, connection: sqlite3.Connection) -> None:
        with contextlib.closing(connection):
            while (group := self._take_group()) is not None:
                self._commit(connection, [queued for queued in group if queued.future.set_running_or_notify_cancel()])

    def _take_group(self) -> list[_Queued] | None:
        """Give the next steps in order; None at the end. The end mark is put back when steps came before it."""
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        with contextlib.suppress(queue.Empty):
            while len(group) < _GROUP:
                following = self._queue.get_nowait()
                if following is None:
                    self._queue.put(None)
                    break
                group.append(following)
        return group

    def _commit(self, connection: sqlite3.Connection, group: list[_Queued]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for queued in group:
                self._try(connection, queued)
            connection.execute("COMMIT")
        except sqlite3.Error as failure:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            for queued in group:
                queued.failure = queued.failure or _store_failed(failure)
        for queued in group:
            if isinstance(queued.failure, errors.StoreFailed):
                self.failed()
            queued.settle()

    def _try(self, connection: sqlite3.Connection, queued: _Queued) -> None:
        connection.execute("SAVEPOINT step")
        try:
            queued.result = queued.work(connection)
        except BaseException as failure:
            queued.failure = _store_failed(failure) if isinstance(failure, sqlite3.Error) else failure
            # A full disk may have ended the whole transaction already: then these two raise, and all of the group fails.
            connection.execute("ROLLBACK TO step")
        connection.execute("RELEASE step")


def _store_failed(failure: sqlite3.Error) -> errors.StoreFailed:
    error = errors.StoreFailed(f"journal: {failure}")
    error.__cause__ = failure
    return error
