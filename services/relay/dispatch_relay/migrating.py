"""The version of the relay's store, wherever it is: what `dispatch-relay store` does. Called by `store_cli`.

The store is a file in the folder of data, or the database that a file names the address of.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

from dispatch.runtime.database import read_database

from dispatch_relay.sqlite import version as sqlite_version

STORE = "relay.sqlite3"
"""The file with the store in the folder of data."""


def version(data: Path, database: Path | None) -> str | None:
    """Say which version it has; None where there is none. Raises errors.StoreFailed, ValueError, OSError for the file."""
    if database is None:
        return sqlite_version.version(data / STORE)
    check_driver()
    from dispatch_relay.postgres import version as postgres_version  # noqa: PLC0415 -- there only with the extra `scale`

    return asyncio.run(postgres_version.version(read_database(database)))


def upgrade(data: Path, database: Path | None) -> str | None:
    """Bring it to this program's version, or make it; gives the one that it had. Raises as `version` does."""
    if database is None:
        return sqlite_version.upgrade(data / STORE)
    check_driver()
    from dispatch_relay.postgres import version as postgres_version  # noqa: PLC0415 -- as above

    return asyncio.run(postgres_version.upgrade(read_database(database)))


def downgrade(data: Path, database: Path | None, *, to: str | None) -> str:
    """Bring it to an older version, one below if none is said; gives that. Raises as `version` does, and BadRequest."""
    if database is None:
        return sqlite_version.downgrade(data / STORE, to=to)
    check_driver()
    from dispatch_relay.postgres import version as postgres_version  # noqa: PLC0415 -- as above

    return asyncio.run(postgres_version.downgrade(read_database(database), to=to))


def check_driver() -> None:
    """Refuse `--database` where nothing can speak to one. Raises ValueError."""
    if find_spec("asyncpg") is None:
        raise ValueError("--database needs what the extra `scale` installs: dispatch-relay[scale]")
