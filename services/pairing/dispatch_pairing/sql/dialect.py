"""What is not the same in SQLite and PostgreSQL: the engine, how a transaction begins, upserts, and what a failure may say.

Called by the modules beside it. All else is SQLAlchemy Core, the same for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatch.endings import to_its_end
from dispatch.errors import StoreFailed
from dispatch.runtime.database import DatabaseAddress
from sqlalchemy import URL, Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_WRITES = "dispatch_writes"
_BUSY_MS = 5_000

WRITERS = 0x6469_7370_7061_6972
"""The advisory lock that makes writers come one after the other: "disppair"."""
_ANSWER_SECONDS, _CONNECT_SECONDS = 15, 5
_IDLE_MS = 10_000
"""A service that stands still in the middle of a transaction holds the lock no longer than this."""
_CONNECTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one database is spoken to."""

    reading: Mapping[str, Any]
    """Options of a connection whose transaction only reads: one moment of the store."""
    writing: Mapping[str, Any]
    lock: str | None
    """What a transaction that may write says first."""


SQLITE = Dialect(reading={}, writing={_WRITES: True}, lock=None)
POSTGRES = Dialect(
    reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    # Not REPEATABLE READ: its moment would be the one before the lock was had.
    writing={"isolation_level": "READ COMMITTED", "postgresql_readonly": False},
    lock=f"SELECT pg_advisory_xact_lock({WRITERS})",
)


def upsert(connection: AsyncConnection, table: Table) -> Any:
    """Begin an INSERT that may have ON CONFLICT."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def sqlite_engine(file: Path, *, foreign_keys: bool = True) -> AsyncEngine:
    """Make an engine for a file. Without `foreign_keys` a table may be made anew while others point at it."""

    def on_connect(connection: Any, _record: object) -> None:
        # The driver must not begin transactions by itself: on_begin does, and chooses the kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
            "secure_delete = ON",  # an account that was erased must not be found in what the file has free
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(file)), hide_parameters=True)
    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
    return engine


def postgres_engine(address: DatabaseAddress, *, patient: bool = False) -> AsyncEngine:
    """Make an engine for a database; it connects when it is first used, and again after the server was away.

    A `patient` one waits for each answer however long it takes: a large table is changed, or another service changes it.
    """
    import asyncpg  # noqa: PLC0415 -- of the extra `scale`

    async def connect() -> Any:
        # The driver reads the address by itself, sslmode and sslrootcert included.
        return await asyncpg.connect(
            address.url,
            timeout=_CONNECT_SECONDS,
            command_timeout=None if patient else _ANSWER_SECONDS,
            server_settings={
                "application_name": "dispatch-pairing",
                "idle_in_transaction_session_timeout": str(_IDLE_MS),
            },
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        hide_parameters=True,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_ANSWER_SECONDS,
        pool_pre_ping=True,  # a server that was started again costs nobody a call
    )


async def give_back(connection: AsyncConnection) -> None:
    """End with a connection, also when whoever used it is cancelled meanwhile: a caller who hangs up must not cost the pool one.

    Who is cancelled waits for it: the store may be closed behind, and a connection that is cut off in its last words is thrown
    away with a loud complaint.
    """
    await to_its_end(connection.close())


class translated:  # noqa: N801 -- reads as a verb where it is used
    """Turns what the database says into StoreFailed. The values of a statement stay out of it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if isinstance(failure, SQLAlchemyError):
            raise StoreFailed(_words(failure)) from failure
        # What asyncpg says of a connection that it has not made yet, or of one that broke, comes through as it is.
        if isinstance(failure, (ConnectionError, TimeoutError)) or type(failure).__module__.startswith("asyncpg."):
            raise StoreFailed(f"{type(failure).__name__}: the database does not answer") from failure


class reached:  # noqa: N801 -- as above
    """The same around connecting, where a name that is not found or a certificate that is not believed is the database's, too."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if isinstance(failure, OSError | ValueError):
            raise StoreFailed(f"{type(failure).__name__}: the database can't be reached") from failure


def _words(failure: SQLAlchemyError) -> str:
    orig = failure.orig if isinstance(failure, DBAPIError) else None
    if orig is None:
        return type(failure).__name__
    said = orig.__cause__  # of asyncpg: its own error, whose words quote values
    if said is None or not type(said).__module__.startswith("asyncpg."):
        return f"{type(failure).__name__}: {orig}"
    parts = [type(said).__name__, getattr(said, "sqlstate", None), getattr(said, "constraint_name", None)]
    return f"{type(failure).__name__}: {' '.join(part for part in parts if part)}"
