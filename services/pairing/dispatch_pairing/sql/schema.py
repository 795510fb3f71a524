"""Which schema a database has, and how it comes to another: the revisions in dispatch_pairing/migrations, by alembic.

Called by sql/store.py at each opening, and by `store version|upgrade|downgrade`. All of it happens in one transaction that
holds the writers' lock, so that services that start together make one schema. docs/operations.md "Migrations".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dispatch.errors import StoreFailed
from dispatch.runtime.database import DatabaseAddress
from dispatch.store_versions import check_known, target_below
from sqlalchemy import Connection, delete, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dispatch_pairing import tables as t
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

FIRST = "0001"
"""What every store had before there were revisions."""
_BEFORE_REVISIONS = 1
_SCRIPTS = Path(__file__).parent.parent / "migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database whose schema is looked at or changed."""

    engine: Callable[[], AsyncEngine]
    dialect: Dialect
    scripts: tuple[Path, ...] = (_SCRIPTS / "versions",)
    """Folders with revisions; tests add one."""
    head: str = t.REVISION


def in_file(file: Path) -> Place:
    """Name the store in a file."""
    # Tables are made anew where SQLite can't change them: whatever points at them must not notice.
    return Place(engine=lambda: sqlite_engine(file, foreign_keys=False), dialect=SQLITE)


def in_database(address: DatabaseAddress) -> Place:
    """Name the store in a database."""
    return Place(engine=lambda: postgres_engine(address, patient=True), dialect=POSTGRES)


async def version(place: Place) -> str | None:
    """Tell the revision; None for a database with nothing in it. Raises StoreFailed."""
    async with _locked(place) as connection:
        return await connection.run_sync(_found)


async def upgrade(place: Place) -> tuple[str | None, str]:
    """Bring the database to this version's schema; gives the revision before and now.

    Raises StoreFailed for one of a newer version, naming both.
    """
    async with _locked(place) as connection:
        return await connection.run_sync(_upgrade, place)


async def downgrade(place: Place, to: str | None = None) -> tuple[str | None, str]:
    """Bring the database back to an older revision, None for the one below; gives the one before and now.

    Raises StoreFailed, BadRequest for one that is not older.
    """
    async with _locked(place) as connection:
        return await connection.run_sync(_downgrade, place, to)


@asynccontextmanager
async def _locked(place: Place) -> AsyncIterator[AsyncConnection]:
    engine = place.engine()
    try:
        with translated():
            with reached():
                connection = await engine.connect()
            try:
                await connection.execution_options(**place.dialect.writing)
                async with connection.begin():
                    if place.dialect.lock is not None:
                        await connection.exec_driver_sql(place.dialect.lock)
                    yield connection
                    await connection.run_sync(_check_references)
            finally:
                await give_back(connection)
    finally:
        await engine.dispose()


def _found(connection: Connection) -> str | None:
    names = inspect(connection).get_table_names()
    if t.revision.name in names:
        return connection.execute(select(t.revision.c.version_num)).scalar_one_or_none()
    if t.service.name not in names:
        return None
    old = connection.execute(text("SELECT schema_version FROM service")).scalar_one_or_none()
    if old not in (None, _BEFORE_REVISIONS):
        raise StoreFailed(f"the store has version {old}, and this program knows up to {t.REVISION}")
    return FIRST


def _upgrade(connection: Connection, place: Place) -> tuple[str | None, str]:
    found = _found(connection)
    if found == place.head:
        return found, found
    if found is None and place.head == t.REVISION:
        # As good as all revisions in a row, which a test compares, and quicker.
        t.metadata.create_all(connection)
        connection.execute(insert(t.service).values(only=1, schema_version=int(t.REVISION), sequence=0))
        _stamp(connection, t.REVISION)
        return None, t.REVISION
    _check_known(found, place)
    if found == FIRST:
        _stamp(connection, FIRST)
    _run(connection, place, place.head, up=True)
    return found, place.head


def _downgrade(connection: Connection, place: Place, to: str | None) -> tuple[str | None, str]:
    found = _found(connection)
    _check_known(found, place)
    to = target_below(found, to, _known(place))
    _run(connection, place, to, up=False)
    return found, to


def _stamp(connection: Connection, number: str) -> None:
    t.revision.create(connection, checkfirst=True)
    connection.execute(delete(t.revision))
    connection.execute(insert(t.revision).values(version_num=number))


def _known(place: Place) -> list[str]:
    return sorted(file.name.partition("_")[0] for folder in place.scripts for file in folder.glob("[0-9]*_*.py"))


def _check_known(found: str | None, place: Place) -> None:
    check_known(found, _known(place), store="the store", program="dispatch-pairing")


def _run(connection: Connection, place: Place, to: str, *, up: bool) -> None:
    # Only here: it takes a start a fifth of a second.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # Not split at commas or spaces, which a path may have.
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("version_locations", "\n".join(str(one).replace("%", "%%") for one in place.scripts))
    config.attributes["connection"] = connection
    (command.upgrade if up else command.downgrade)(config, to)


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StoreFailed("rows of the database point at rows that are not there")
