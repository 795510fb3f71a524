"""The log in PostgreSQL, for relays that share one. `opening.open_store` makes it together with the seats that it checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import asyncpg
from dispatch.ids import PairId

from dispatch_relay.log import Op, Row, Then, Thread, Untold
from dispatch_relay.postgres import connecting, reading
from dispatch_relay.postgres.committer import Committer
from dispatch_relay.postgres.connecting import BROKEN, Connection
from dispatch_relay.postgres.seats import PostgresSeats
from dispatch_relay.postgres.transaction import Entry, pairing_of
from dispatch_relay.presence import Standing
from dispatch_relay.push.target import Target

WAIT_SECONDS = 5.0
"""How long a reader waits for a connection of the pool."""

T = TypeVar("T")


class PostgresLog:
    """A `Log` in a database that other relays write to as well."""

    def __init__(self, committer: Committer, seats: PostgresSeats, readers: asyncpg.Pool[asyncpg.Record]) -> None:
        self._committer = committer
        self._seats = seats
        self._readers = readers

    @property
    def queued(self) -> int:
        """How many ops wait for the committer."""
        return self._committer.queued

    def submit(self, op: Op, then: Then) -> None:
        # By the seat that its writer goes by now: should it be lost and taken anew before this is written, this is too late.
        pair_id = pairing_of(op)
        self._committer.put(Entry(op, then, None if pair_id is None else self._seats.number(pair_id)))

    async def close(self) -> None:
        await self._committer.close()
        await self._seats.close()
        await self._readers.close()

    async def _read(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            async with self._readers.acquire(timeout=WAIT_SECONDS) as db:
                return await ask(db)  # type: ignore[arg-type]  # a connection in all but name: what the pool gives delegates to one
        except BROKEN as failure:
            raise connecting.store_failed(failure) from failure

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
