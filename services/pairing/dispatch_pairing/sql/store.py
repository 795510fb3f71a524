"""The store on SQLAlchemy Core, in SQLite. Translates rows and values; decides nothing. Opened by app.py and cli.py.

WAL, synchronous=FULL, foreign keys and a busy timeout on every connection; one writer at a time in this process, and
BEGIN IMMEDIATE against other processes (`account add` while the service is up).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dispatch.errors import StoreFailed
from sqlalchemy import URL, Connection, event, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dispatch_pairing import tables as t
from dispatch_pairing.sql.accounts import SqlAccounts
from dispatch_pairing.sql.devices import SqlDevices
from dispatch_pairing.sql.history import SqlHistory
from dispatch_pairing.sql.offers import SqlOffers
from dispatch_pairing.sql.pairings import SqlPairings
from dispatch_pairing.sql.service import SqlFeed, SqlService
from dispatch_pairing.store import Repositories

_WRITES = "dispatch_writes"
_BUSY_MS = 5_000


class SqlStore:
    """The store on an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Repositories]:
        """Open a transaction that only reads."""
        with _translated():
            async with self._engine.connect() as connection, connection.begin():
                yield _repositories(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Repositories]:
        """Open a transaction that may write."""
        with _translated():
            async with self._writing, self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    yield _repositories(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def prepare(self) -> None:
        """Make the tables, or check that they are those of this version."""
        with _translated():
            async with self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    await connection.run_sync(t.metadata.create_all)
                    row = (await connection.execute(select(t.service.c.schema_version))).one_or_none()
                    if row is None:
                        first = {"only": 1, "schema_version": t.SCHEMA_VERSION, "sequence": 0}
                        await connection.execute(insert(t.service).values(**first))
                    elif row.schema_version != t.SCHEMA_VERSION:
                        raise StoreFailed(
                            f"the database has schema {row.schema_version}, this version needs {t.SCHEMA_VERSION}"
                        )


class _translated:  # noqa: N801 -- reads as a verb where it is used
    """Turns what the database says into StoreFailed. The values of a statement stay out of it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if isinstance(failure, SQLAlchemyError):
            raise StoreFailed(f"{type(failure).__name__}: {getattr(failure, 'orig', None)}") from failure


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


def _on_connect(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: _on_begin does, and chooses the kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",  # an account that was erased must not be found in what the file has free
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def open_sqlite(file: Path) -> SqlStore:
    """Open, and if need be make, the store in a file. Raises StoreFailed."""
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(file)), hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    store = SqlStore(engine)
    try:
        await store.prepare()
    except BaseException:
        await store.close()
        raise
    return store
