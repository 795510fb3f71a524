"""Commits what is queued, in the order of submission, and says what came of each op. Called by `log`.

Ops are applied on the event loop and a thread waits for the disk: SQLite's calls let go of the interpreter, so a thread that makes
twenty of them for a message beside a busy loop has to win it back twenty times, and the loop to give it up. What is long, or has
to wait for somebody else who writes to the file, is the thread's as a whole. While one commit waits, the next batch gathers.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dispatch_relay.log import Decide, Done, Erase, Failed, Keep, Note, Op, Sweep, Then
from dispatch_relay.sqlite.writer import Writer

BATCH_OPS = 512
BATCH_BYTES = 512 * 1024
"""What the loop applies at once, at most: some ms of it, and less than makes SQLite write before the commit."""
LONGEST_OPS = 1_000
"""What the thread commits at once, at most, where it has to wait: whoever waits for a lock waits for it once."""
LONG = (Erase, Note, Sweep)
"""What may touch a thousand rows, or look at as many."""

OnCommit = Callable[[int, float], None]


@dataclass(slots=True)
class _Batch:
    """Ops that are committed together."""

    ops: Sequence[Op]
    thens: Sequence[Then]
    began: float
    results: Sequence[Done | Failed] | None
    """What came of them, unless the commit fails; None: they are the thread's to apply as well."""


class Committer:
    """The one who writes. Lives on the event loop, with a thread of its own."""

    def __init__(self, writer: Writer, *, on_commit: OnCommit) -> None:
        # Fixed after __init__.
        self._writer = writer  # the thread's while a batch is under way, else the loop's
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()  # what is told runs in it, not in that of whoever submits
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()  # None ends the thread
        # Touched on the loop only.
        self._waiting: deque[tuple[Op, Then]] = deque()
        self._under_way = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._thread = threading.Thread(target=self._commit_all, name="log-commit", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """How many ops wait for the next commit."""
        return len(self._waiting)

    def submit(self, op: Op, then: Then) -> None:
        """Queue it, with all else that comes in this turn of the loop. After `close` nothing is told of it."""
        if self._closed:
            return
        self._waiting.append((op, then))
        if not self._under_way:
            self._under_way = True
            self._idle.clear()
            self._loop.call_soon(self._begin, context=self._context)

    async def close(self) -> None:
        """Commit and tell what was submitted, then let go of the file. Safe to repeat."""
        while self._under_way:  # and again, for what somebody submitted who heard of the last batch
            await self._idle.wait()
        if not self._closed:
            self._closed = True
            self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    # ---- on the loop

    def _begin(self) -> None:
        """Begin the next batch, if anything waits."""
        if not self._waiting:
            self._under_way = False
            self._idle.set()
            return
        began = time.perf_counter()
        entries = self._take(BATCH_OPS)
        ops = [op for op, _ in entries]
        short = not any(isinstance(op, LONG) for op in ops)
        results = self._writer.apply(ops) if short else None
        if results is None:
            entries += self._take(LONGEST_OPS - len(entries))
            ops = [op for op, _ in entries]
        self._batches.put(_Batch(ops, [then for _, then in entries], began, results))

    def _take(self, most: int) -> list[tuple[Op, Then]]:
        """Take from what waits: so many ops, and about BATCH_BYTES, but one at least."""
        taken: list[tuple[Op, Then]] = []
        size = 0
        while self._waiting and len(taken) < most and size < BATCH_BYTES:
            entry = self._waiting.popleft()
            taken.append(entry)
            size += len(entry[0].sealed) if isinstance(entry[0], Decide | Keep) else 0
        return taken

    def _committed(self, batch: _Batch, results: Sequence[Done | Failed], seconds: float) -> None:
        self._tell(partial(self._on_commit, len(batch.ops), seconds))
        for then, result in zip(batch.thens, results, strict=True):
            self._tell(partial(then, result))
        self._begin()  # behind them: what they submitted is in it

    def _tell(self, told: Callable[[], None]) -> None:
        """Tell each for itself: one that breaks silences neither the rest nor the next batch."""
        try:
            told()
        except Exception as failure:
            self._loop.call_exception_handler({"message": "what was committed was not heard", "exception": failure})

    # ---- the thread

    def _commit_all(self) -> None:
        while (batch := self._batches.get()) is not None:
            results = self._writer.commit(batch.ops) if batch.results is None else self._writer.end(batch.results)
            seconds = time.perf_counter() - batch.began
            self._loop.call_soon_threadsafe(self._committed, batch, results, seconds, context=self._context)
        self._writer.close()
