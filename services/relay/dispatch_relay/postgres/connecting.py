"""Connections to the database, each with a bound on how long it may take. Called by everything in this package.

A relay that is frozen in the middle of a transaction holds locks that others wait for: the database ends such a session by itself.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import asyncpg
from dispatch import errors
from dispatch.runtime.database import DatabaseAddress
from dispatch.runtime.logs import get_logger

_log = get_logger()

CONNECT_SECONDS = 2.0
"""How long a connection may take to come; then the database counts as away."""
STATEMENT_SECONDS = 10.0
"""How long an answer may take; then the connection counts as lost."""

BROKEN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Whatever talking to the database may end in, beside a mistake in what is written."""

_SETTINGS = {
    "application_name": "dispatch-relay",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "5s",
    "statement_timeout": "8s",
    "jit": "off",  # plans are short and run often
}

_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""What is told as stored must be, whatever the operator lets other programs have. More than `on`, for standbys, stays."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(address: DatabaseAddress, *, kind: str) -> Connection:
    """Connect; `kind` says in the database's list of sessions what for. Raises one of BROKEN within CONNECT_SECONDS."""
    async with asyncio.timeout(CONNECT_SECONDS):
        db = await asyncpg.connect(
            address.url,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={**_SETTINGS, "application_name": f"dispatch-relay {kind}"},
        )
        try:
            await db.execute(_DURABLE)
        except BaseException:  # also when time is over, or whoever asked has gone
            db.terminate()
            raise
        return db


def pool(address: DatabaseAddress, *, size: int) -> asyncpg.Pool[asyncpg.Record]:
    """Give a pool that connects when it is used."""
    return asyncpg.create_pool(
        address.url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        server_settings={**_SETTINGS, "application_name": "dispatch-relay reads"},
    )


def why(failure: BaseException) -> str:
    """Say what went wrong, for a log: the database's first sentence, without the values of a row that it may add."""
    return f"{type(failure).__name__}: {failure.args[0] if failure.args else ''}"


def store_failed(failure: BaseException) -> errors.StoreFailed:
    """Give the error that devices may hear of: what kind of failure it was, and none of the database's words, which are logged."""
    _log.warning("database failed", why=why(failure))
    return errors.StoreFailed(f"{type(failure).__name__} {getattr(failure, 'sqlstate', None) or ''}".strip())
