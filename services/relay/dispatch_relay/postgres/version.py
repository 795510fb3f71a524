"""Which version the relays' store in PostgreSQL has, and how it is brought to another. Called by `opening` and `migrating`.

One at a time, by an advisory lock: of relays that start together the first does it and the others find it done.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from dispatch import errors
from dispatch.runtime.database import DatabaseAddress
from dispatch.store_versions import target_below

from dispatch_relay.migrations import HEAD, REVISIONS, Dialect, check_known, sql
from dispatch_relay.postgres import connecting
from dispatch_relay.postgres.connecting import BROKEN, Connection

_LOCK = "SELECT pg_advisory_lock(x'4453505244425653'::bigint)"
_THERE = "SELECT to_regclass('alembic_version') IS NOT NULL"
_VERSION = "SELECT version_num FROM alembic_version"
_PATIENT = "; ".join(
    f"SET {name} = 0" for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
)
"""Another relay's migration is waited for, and one of a large store may take long, as may writing it on a busy machine."""
_MIGRATION_SECONDS = 3_600.0


async def version(address: DatabaseAddress) -> str | None:
    """Say which version the store has; None where there is none. Raises errors.StoreFailed."""
    async with _connected(address) as db:
        return await _version(db)


async def upgrade(address: DatabaseAddress) -> str | None:
    """Make the store, or bring it to HEAD; gives the version that it had. Safe to repeat, and in several processes at once.

    Raises errors.StoreFailed, also for one that is newer.
    """
    async with _connected(address) as db:
        had = await _version(db)
        check_known(had, where=str(address))
        if had == HEAD:
            return had
        await _alone(db)
        async with db.transaction(isolation="read_committed"):
            had = await _version(db)  # it may have been done meanwhile
            check_known(had, where=str(address))
            if had != HEAD:
                await db.execute(sql(Dialect.POSTGRESQL, start=had, end=HEAD), timeout=_MIGRATION_SECONDS)
    return had


async def downgrade(address: DatabaseAddress, *, to: str | None) -> str:
    """Bring the store to an older version, one step if none is named; gives it. No relay may run.

    Raises errors.StoreFailed, errors.BadRequest for a version that is none below it.
    """
    async with _connected(address) as db:
        await _alone(db)
        async with db.transaction(isolation="read_committed"):
            had = await _version(db)
            check_known(had, where=str(address))
            goal = target_below(had, to, REVISIONS)
            await db.execute(sql(Dialect.POSTGRESQL, start=had, end=goal), timeout=_MIGRATION_SECONDS)
    return goal


async def _alone(db: Connection) -> None:
    """Wait until nobody else changes the store, for as long as this connection lives.

    Before the transaction, not in it: only with its first statement the session hears of tables that came meanwhile.
    """
    await db.execute(_PATIENT)
    await db.execute(_LOCK, timeout=_MIGRATION_SECONDS)


async def _version(db: Connection) -> str | None:
    if not await db.fetchval(_THERE):
        return None
    found: str | None = await db.fetchval(_VERSION)
    return found


@contextlib.asynccontextmanager
async def _connected(address: DatabaseAddress) -> AsyncIterator[Connection]:
    try:
        db = await connecting.connect(address, kind="migrations")
        try:
            yield db
        finally:
            await db.close(timeout=1)
    except BROKEN as failure:
        raise errors.StoreFailed(f"{address}: {connecting.why(failure)}") from failure
