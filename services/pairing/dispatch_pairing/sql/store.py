"""The store on SQLAlchemy Core. Translates rows and values; decides nothing. Opened by storage.py, and by tests.

Writers come one after the other: in this process by a lock of ours, beside other processes by BEGIN IMMEDIATE in SQLite and by an
advisory lock in PostgreSQL. Whoever is told StoreFailed at the end of a write does not know whether it was kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dispatch.runtime.database import DatabaseAddress
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dispatch_pairing.sql import schema
from dispatch_pairing.sql.accounts import SqlAccounts
from dispatch_pairing.sql.devices import SqlDevices
from dispatch_pairing.sql.dialect import (
    POSTGRES,
    SQLITE,
    Dialect,
    give_back,
    postgres_engine,
    reached,
    sqlite_engine,
    translated,
)
from dispatch_pairing.sql.history import SqlHistory
from dispatch_pairing.sql.offers import SqlOffers
from dispatch_pairing.sql.pairings import SqlPairings
from dispatch_pairing.sql.service import SqlFeed, SqlService
from dispatch_pairing.store import Repositories


class SqlStore:
    """The store on an engine."""

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        self._engine = engine
        self._dialect = dialect
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Repositories]:
        """Open a transaction that only reads."""
        with translated():
            connection = await self._connect()
            try:
                await connection.execution_options(**self._dialect.reading)
                async with connection.begin():
                    yield _repositories(connection)
            finally:
                await give_back(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Repositories]:
        """Open a transaction that may write."""
        with translated():
            async with self._writing:
                connection = await self._connect()
                try:
                    await connection.execution_options(**self._dialect.writing)
                    async with connection.begin():
                        if self._dialect.lock is not None:
                            await connection.exec_driver_sql(self._dialect.lock)
                        yield _repositories(connection)
                finally:
                    await give_back(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def _connect(self) -> AsyncConnection:
        with reached():
            return await self._engine.connect()


def _repositories(connection: AsyncConnection) -> Repositories:
    return Repositories(
        service=SqlService(connection),
        accounts=SqlAccounts(connection),
        devices=SqlDevices(connection),
        offers=SqlOffers(connection),
        pairings=SqlPairings(connection),
        feed=SqlFeed(connection),
        history=SqlHistory(connection),
    )


async def open_sqlite(file: Path) -> SqlStore:
    """Open, and if need be make or upgrade, the store in a file. Raises StoreFailed."""
    place = schema.in_file(file)
    await schema.upgrade(place)
    return SqlStore(sqlite_engine(file), SQLITE)


async def open_postgres(address: DatabaseAddress) -> SqlStore:
    """Open, and if need be make or upgrade, the store in a database. Raises StoreFailed."""
    place = schema.in_database(address)
    await schema.upgrade(place)
    return SqlStore(postgres_engine(address), POSTGRES)
