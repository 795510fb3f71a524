"""Commits what is queued, batch after batch, in the order of submission, and says what came of each op. Called by `postgres.log`.

While one commit waits for the database, the next batch gathers. A commit of which nobody knows, because the connection broke while
it was under way, is looked up by its number before anything is told or written. While the database is away, what is queued fails
after one attempt to reach it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg
from dispatch.ids import PairId
from dispatch.runtime.database import DatabaseAddress
from dispatch.runtime.logs import get_logger

from dispatch_relay.log import Done, Failed, Sweep
from dispatch_relay.postgres import connecting
from dispatch_relay.postgres.connecting import BROKEN, Connection
from dispatch_relay.postgres.sweeping import sweep
from dispatch_relay.postgres.transaction import Entry, apply
from dispatch_relay.verdict import Effect

_log = get_logger()

BATCH_OPS = 1_000
BATCH_BYTES = 8 * 1024 * 1024
"""What is sealed in one batch, about: a message to the database is held in memory as a whole, on both sides."""
LOOK_UP_SECONDS = 0.2
"""How long until a commit in doubt is looked up again."""
CLOSE_SECONDS = 5.0
"""How long what is queued may take when the log is closed; what nobody knows of by then is not told."""

OnCommit = Callable[[int, float], None]

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_NUMBERED = "INSERT INTO batch (relay, number, at) VALUES ($1, 0, now()) ON CONFLICT DO NOTHING"
# FOR UPDATE: a transaction that is still under way holds the row, and is waited for.
_LOOK_UP = "SELECT number FROM batch WHERE relay = $1 FOR UPDATE"
LEAVE = """DELETE FROM seat USING unnest($2::bytea[], $3::bigint[]) AS a (pair_id, number)
WHERE seat.relay = $1 AND seat.pair_id = a.pair_id AND seat.number = a.number"""
"""Leaves seats of a relay ($1), each by its pairing and number: one that was lost and taken again stays."""
_NOT_STORABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, OverflowError, TypeError)
"""Where one op is what can't be stored, and not the database in trouble."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A seat that is left when what was submitted before is told."""

    pair_id: PairId
    number: int
    done: asyncio.Future[None]


class Committer:
    """The one who writes. Lives on the event loop."""

    def __init__(self, address: DatabaseAddress, *, relay: str, thread_bytes: int, on_commit: OnCommit) -> None:
        # Fixed after __init__.
        self._address = address
        self._relay = relay
        self._thread_bytes = thread_bytes
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()  # what is told runs in it
        self._news = asyncio.Event()
        # Filled by anybody, emptied by the task.
        self._queue: deque[Entry | GiveBack] = deque()
        self._ending = False
        # Touched by the task only.
        self._db: Connection | None = None
        self._number = 0
        self._numbers: deque[int] = deque()  # for calls
        self._task = self._loop.create_task(self._run())

    @property
    def queued(self) -> int:
        """How many ops wait."""
        return len(self._queue)

    def put(self, entry: Entry | GiveBack) -> None:
        """Queue it. After `close` it fails."""
        self._queue.append(entry)
        self._news.set()

    async def close(self) -> None:
        """Commit and tell what was queued, for at most CLOSE_SECONDS. Safe to repeat."""
        self._ending = True
        self._news.set()
        await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._db is not None:
            db, self._db = self._db, None
            with contextlib.suppress(*BROKEN):
                await db.close(timeout=1)
        await asyncio.sleep(0)  # what was told last still stands in the loop's queue

    # ---- the task

    async def _run(self) -> None:
        while self._queue or not self._ending:
            self._news.clear()
            if not self._queue:
                await self._news.wait()
                continue
            batch, left = self._next()
            if batch:
                started = time.perf_counter()
                results = await self._commit(batch)
                self._tell(batch, results, time.perf_counter() - started)
            if left:
                await self._give_back(left)

    def _next(self) -> tuple[list[Entry], list[GiveBack]]:
        """Take the next batch, and the seats that are left behind it. A turn of a sweep is a batch of its own."""
        batch: list[Entry] = []
        left: list[GiveBack] = []
        size = 0
        while self._queue and len(batch) < BATCH_OPS and size < BATCH_BYTES:
            first = self._queue[0]
            if isinstance(first, GiveBack):
                left.append(first)
            elif isinstance(first.op, Sweep) and batch:
                break
            else:
                batch.append(first)
                size += len(getattr(first.op, "sealed", b""))
            self._queue.popleft()
            if batch and isinstance(batch[-1].op, Sweep):
                break
        return batch, left

    def _tell(self, batch: Sequence[Entry], results: Sequence[Done | Failed], seconds: float) -> None:
        self._on_commit(len(batch), seconds)
        for entry, result in zip(batch, results, strict=True):
            # Each for itself, so that one that breaks does not silence the rest.
            self._loop.call_soon(entry.then, result, context=self._context)

    async def _commit(self, batch: Sequence[Entry]) -> Sequence[Done | Failed]:
        """Write a batch and give what came of it, when that is known."""
        try:
            db = await self._connected()
            op = batch[0].op
            if isinstance(op, Sweep):
                return [Done(Effect.NOTHING, swept_to=await sweep(db, op, relay=self._relay))]
            await db.execute(_BEGIN)
            self._number += 1
            results = await apply(
                db,
                batch,
                relay=self._relay,
                number=self._number,
                numbers=self._numbers,
                thread_bytes=self._thread_bytes,
            )
        except _NOT_STORABLE as failure:
            # It fails alone, not with all that happened to be queued with it.
            await self._roll_back(failure)
            if len(batch) == 1:
                return [Failed(connecting.why(failure))]
            half = len(batch) // 2
            return [*await self._commit(batch[:half]), *await self._commit(batch[half:])]
        except Exception as failure:
            # Whatever it is, it was before COMMIT: nothing of it is stored, and the one who commits must live on.
            await self._roll_back(failure)
            return [Failed(connecting.why(failure))] * len(batch)
        return await self._end(db, results)

    async def _end(self, db: Connection, results: Sequence[Done | Failed]) -> Sequence[Done | Failed]:
        try:
            if await db.execute("COMMIT") == "COMMIT":
                return results
            why = "the database rolled it back"
        except Exception as failure:
            why = connecting.why(failure)
            _log.warning("commit in doubt", why=why)
            self._drop()
            if await self._was_committed():
                return results
        # What asks for nothing more than another try is told so; a lost seat stays one.
        return [one if isinstance(one, Failed) else Failed(why) for one in results]

    async def _was_committed(self) -> bool:
        """Look up whether the last batch is stored; asks until the database says so."""
        while True:
            try:
                db = await self._connected()
                number: int | None = await db.fetchval(_LOOK_UP, self._relay)
            except Exception as failure:
                # Whatever it is: until it is known nothing is told, and the one who commits must live on.
                _log.warning("commit not looked up yet", why=connecting.why(failure))
                self._drop()
                await asyncio.sleep(LOOK_UP_SECONDS)
                continue
            committed = number == self._number
            _log.warning("commit looked up", committed=committed)
            return committed

    async def _give_back(self, left: Sequence[GiveBack]) -> None:
        try:
            db = await self._connected()
            await db.execute(LEAVE, self._relay, [one.pair_id for one in left], [one.number for one in left])
        except Exception as failure:
            self._drop()
            # They are, by `seats`, when it looks over what is its own.
            _log.warning("seats not given back", why=connecting.why(failure))
        for one in left:
            if not one.done.done():
                one.done.set_result(None)

    # ---- the connection

    async def _connected(self) -> Connection:
        if self._db is None or self._db.is_closed():
            db = await connecting.connect(self._address, kind="log")
            self._db = db
            await db.execute(_NUMBERED, self._relay)
        return self._db

    async def _roll_back(self, failure: Exception) -> None:
        if isinstance(
            failure, (OSError, asyncpg.InterfaceError)
        ):  # TimeoutError is one: who knows what it still waits for
            self._drop()
        if self._db is None:
            return
        try:
            if self._db.is_in_transaction():
                await self._db.execute("ROLLBACK")
        except BROKEN:
            self._drop()

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.terminate()
