"""Which pairings this relay has, in the database: taken, given back, and lost when it was gone too long. docs/scale.md.

A relay is there while its session holds an advisory lock and it has said so, by the database's clock, within GONE_SECONDS. A seat
has another number each time that somebody takes it, so that one that was lost and taken again is not mistaken for one that was
kept. Used by `postgres.log`, which writes by those numbers, and by `rooms`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import asyncpg
from dispatch.ids import PairId, short
from dispatch.runtime.database import DatabaseAddress
from dispatch.runtime.logs import get_logger

from dispatch_relay.postgres import connecting
from dispatch_relay.postgres.committer import LEAVE, Committer, GiveBack
from dispatch_relay.postgres.connecting import BROKEN, Connection
from dispatch_relay.postgres.reading import WATCHED
from dispatch_relay.seats import Lost

_log = get_logger()

SAY_SECONDS = 1.0
"""How often a relay says that it is there."""
GONE_SECONDS = 5
"""After how much silence it counts as gone."""
_KEPT_DAYS = 30
"""How long the last batch of a relay that is gone is known, should it come back and ask."""

_LOCK = 0x44_53_50_52
"""Of the advisory locks that are ours: one for each relay. Shared, so that a new session does not wait for the end of the old."""

# Both do not depend on what the statement saw when it began: a relay that came since has its lock, and nobody thinks it silent.
_LIVES = f"""(EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = {_LOCK}
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND objid::bigint = (hashtext({{relay}})::bigint & 4294967295)) AND NOT EXISTS
(SELECT 1 FROM relay AS silent WHERE silent.id = {{relay}} AND silent.seen < now() - interval '{GONE_SECONDS} s'))"""  # noqa: S608 -- constants

_HOLD = f"SELECT pg_advisory_lock_shared({_LOCK}, hashtext($1))"
# Gives for how long it had said nothing; nothing for one that is new or was forgotten.
_SAY = """WITH old AS (SELECT seen FROM relay WHERE id = $1)
INSERT INTO relay (id, seen) VALUES ($1, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen
RETURNING (SELECT extract(epoch FROM clock_timestamp() - seen)::float FROM old)"""
_TAKE = f"""INSERT INTO seat (pair_id, relay, number) VALUES ($1, $2, nextval('seat_number'))
ON CONFLICT (pair_id) DO UPDATE SET relay = excluded.relay,
number = CASE WHEN seat.relay = excluded.relay THEN seat.number ELSE excluded.number END
WHERE seat.relay = excluded.relay OR NOT {_LIVES.format(relay="seat.relay")} RETURNING number"""  # noqa: S608 -- constants
_WHOSE = "SELECT relay FROM seat WHERE pair_id = $1"
_ADOPT = f"""WITH living AS MATERIALIZED (SELECT id FROM relay WHERE {_LIVES.format(relay="relay.id")}),
free AS (SELECT pair_id FROM ({WATCHED}) AS watched WHERE NOT EXISTS
(SELECT 1 FROM seat s JOIN living ON s.relay = living.id WHERE s.pair_id = watched.pair_id) ORDER BY pair_id LIMIT $2)
INSERT INTO seat (pair_id, relay, number) SELECT pair_id, $1, nextval('seat_number') FROM free ORDER BY pair_id
ON CONFLICT (pair_id) DO UPDATE SET relay = excluded.relay, number = excluded.number
WHERE seat.relay <> excluded.relay AND NOT {_LIVES.format(relay="seat.relay")} RETURNING pair_id, number"""  # noqa: S608 -- constants
_HELD = "SELECT pair_id, number FROM seat WHERE relay = $1"
_LEAVE_ALL = "DELETE FROM seat WHERE relay = $1"
_FORGET_ME = "DELETE FROM relay WHERE id = $1"
# Of those that were gone for long: a seat that nobody had to watch over, the relay itself, its last batch.
_FORGET_GONE = (
    f"DELETE FROM seat WHERE relay NOT IN (SELECT id FROM relay) AND NOT {_LIVES.format(relay='seat.relay')}",  # noqa: S608 -- constants
    f"DELETE FROM relay WHERE seen < now() - interval '1 hour' AND NOT {_LIVES.format(relay='relay.id')}",  # noqa: S608 -- constants
    f"DELETE FROM batch WHERE at < now() - interval '{_KEPT_DAYS} days' AND relay NOT IN (SELECT id FROM relay)",  # noqa: S608 -- constants
)
_FORGET_SECONDS = 60.0
_LOOK_SECONDS = 5.0
"""How often it is looked over which seats are ours: another relay that began to take one while this one was silent may end doing so
after this one has spoken again, and looked."""


class PostgresSeats:
    """The seats of this relay among others. `start` before anything is taken."""

    def __init__(
        self, address: DatabaseAddress, *, relay: str, committer: Committer, pool: asyncpg.Pool[asyncpg.Record]
    ) -> None:
        # Fixed after __init__.
        self.relay = relay
        self._address = address
        self._committer = committer
        self._pool = pool  # takes may wait for another relay's last transaction; saying that this one is there must not
        # Touched on the loop only.
        self._lost: Lost = lambda pair_id: None
        self._numbers: dict[PairId, int] = {}
        self._leaving: dict[PairId, asyncio.Future[None]] = {}
        self._taking = 0  # takes and adoptions that are under way
        self._in_doubt = False  # one of them ended without an answer: seats may be ours of which nobody here knows
        self._closed = False
        # Touched by the task only, and by what begins and ends it.
        self._db: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say for the first time that this relay is there, and go on saying it. Raises errors.StoreFailed."""
        try:
            await self._say()
        except BROKEN as failure:
            self._drop()
            raise connecting.store_failed(failure) from failure
        self._task = asyncio.get_running_loop().create_task(self._keep_saying())

    @property
    def there(self) -> bool:
        """Whether the database heard last that this relay is there."""
        db = self._db  # once: metrics ask from another thread
        return db is not None and not db.is_closed()

    def number(self, pair_id: PairId) -> int | None:
        """Give the number of a seat that is ours, as far as is known here."""
        return self._numbers.get(pair_id)

    # ---- what `Seats` promises

    def on_lost(self, lost: Lost) -> None:
        self._lost = lost

    async def take(self, pair_id: PairId) -> str | None:
        leaving = self._leaving.get(pair_id)
        if leaving is not None:
            await asyncio.wait([leaving])
        if pair_id in self._numbers:
            return None
        async with self._taken() as db:
            while True:
                number: int | None = await db.fetchval(_TAKE, pair_id, self.relay)
                if number is not None:
                    break
                other: str | None = await db.fetchval(_WHOSE, pair_id)
                if other is not None and other != self.relay:
                    return other
        # Behind the block: whoever is cut off, or fails, at its end hears of no seat, and one of which nobody knows is given back.
        self._have(pair_id, number)
        return None

    def forget(self, pair_id: PairId) -> None:
        self._numbers.pop(pair_id, None)

    def give_back(self, pair_id: PairId) -> None:
        number = self._numbers.pop(pair_id, None)
        if number is None or self._closed:
            return
        left = self._leaving[pair_id] = asyncio.get_running_loop().create_future()
        left.add_done_callback(lambda _: self._leaving.pop(pair_id, None))
        self._committer.put(GiveBack(pair_id, number, left))

    async def adopt(self, limit: int) -> Sequence[PairId]:
        async with self._taken() as db:
            found = await db.fetch(_ADOPT, self.relay, limit)
        for pair_id, number in found:  # behind the block, as above
            self._have(PairId(pair_id), number)
        return [PairId(pair_id) for pair_id, _ in found]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._numbers.clear()
        with contextlib.suppress(*BROKEN):  # else they are nobody's when the session has ended
            db = await self._connected()
            await db.execute(_LEAVE_ALL, self.relay)
            await db.execute(_FORGET_ME, self.relay)
            await db.close(timeout=1)
        self._drop()
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def _taken(self) -> AsyncIterator[Connection]:
        """Give a connection to take seats by. Raises errors.StoreFailed."""
        self._taking += 1
        try:
            async with self._pool.acquire(timeout=connecting.CONNECT_SECONDS) as db:
                yield db  # type: ignore[misc]  # a connection in all but name: what the pool gives delegates to one
        except BROKEN as failure:
            self._in_doubt = True
            raise connecting.store_failed(failure) from failure
        except BaseException:  # who asked has gone, and what the database did nobody heard
            self._in_doubt = True
            raise
        finally:
            self._taking -= 1

    # ---- what is ours

    def _have(self, pair_id: PairId, number: int) -> None:
        """Note a seat. One that was ours by another number had been lost in between, and whoever went by that hears it first."""
        if self._numbers.get(pair_id, number) != number:
            self._lose(pair_id)
        self._numbers[pair_id] = number

    def _lose(self, pair_id: PairId) -> None:
        del self._numbers[pair_id]
        _log.warning("seat lost", pairing=short(pair_id))
        self._lost(pair_id)

    async def _look_over(self, db: Connection) -> None:
        """Compare what is known here with what is so: after a silence in which others may have taken what was ours."""
        before = dict(self._numbers)
        held = {PairId(pair_id): number for pair_id, number in await db.fetch(_HELD, self.relay)}
        for pair_id, number in before.items():
            if self._numbers.get(pair_id) == number != held.get(pair_id):
                self._lose(pair_id)
        if self._taking:
            return  # what looks like nobody's may be about to be known; next time
        self._in_doubt = False
        # What was to be given back and could not be, or taken and nobody heard of it.
        stray = [one for one in held.items() if one[0] not in self._numbers and one[0] not in self._leaving]
        if stray:
            await self._leave(db, stray)

    async def _leave(self, db: Connection, stray: Sequence[tuple[PairId, int]]) -> None:
        """Leave seats that nobody here knows of. Who wants one of them waits, or would find it ours and then gone."""
        left = asyncio.get_running_loop().create_future()
        self._leaving |= dict.fromkeys((pair_id for pair_id, _ in stray), left)
        try:
            await db.execute(LEAVE, self.relay, [pair_id for pair_id, _ in stray], [number for _, number in stray])
        finally:
            for pair_id, _ in stray:
                del self._leaving[pair_id]
            left.set_result(None)

    # ---- being there

    async def _keep_saying(self) -> None:
        loop = asyncio.get_running_loop()
        forget_at = loop.time() + _FORGET_SECONDS
        look_at = loop.time() + _LOOK_SECONDS
        while True:
            await asyncio.sleep(SAY_SECONDS)
            try:
                if loop.time() >= look_at:
                    look_at = loop.time() + _LOOK_SECONDS
                    self._in_doubt = True
                await self._say()
                if loop.time() >= forget_at:
                    forget_at = loop.time() + _FORGET_SECONDS
                    db = await self._connected()
                    for statement in _FORGET_GONE:
                        await db.execute(statement)
            except Exception as failure:
                # Whatever it is: a relay that no longer says that it is there loses every seat.
                _log.warning("seats: the database does not hear that this relay is there", why=connecting.why(failure))
                self._drop()

    async def _say(self) -> None:
        db = await self._connected()
        silence: float | None = await db.fetchval(_SAY, self.relay)
        if self._in_doubt or silence is None or silence > GONE_SECONDS:
            await self._look_over(db)

    async def _connected(self) -> Connection:
        """Give the session that holds the lock; with one that is new it is looked over what was lost meanwhile."""
        if self._db is None or self._db.is_closed():
            db = await connecting.connect(self._address, kind="seats")
            try:
                await db.execute(_HOLD, self.relay)
            except BaseException:
                db.terminate()
                raise
            self._db = db
            self._in_doubt = True
        return self._db

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.terminate()
