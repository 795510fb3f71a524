"""What revisions of the pairing service's schema must do, on each database; and one more that exists for tests alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from dispatch_pairing import tables
from dispatch_pairing.sql import SqlStore, schema
from sqlalchemy import Connection, func, inspect, select

from tests.support.pairing_repository import furnish

CHANGED = Path(__file__).parent / "pairing_revisions"
"""A revision 0004 that changes a table which others point at."""
ROWS = {"accounts": 2, "devices": 3, "offers": 1, "steps": 1, "pairings": 1, "service": 1}
"""What `furnish` and `_fill` leave."""


async def _on(place: schema.Place, do: Callable[[Connection], Any]) -> Any:
    engine = place.engine()
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(do)
    finally:
        await engine.dispose()


async def rows(place: schema.Place) -> Mapping[str, int]:
    """Count the rows of each table that has some."""

    def count(connection: Connection) -> dict[str, int]:
        return {
            table.name: number
            for table in tables.metadata.sorted_tables
            if (number := connection.execute(select(func.count()).select_from(table)).scalar_one())
        }

    counted: Mapping[str, int] = await _on(place, count)
    return counted


async def agrees(place: schema.Place) -> bool:
    """Tell whether what revisions made is what tables.py says."""

    def compared(connection: Connection) -> list[Any]:
        options = {"include_name": lambda name, kind, _: kind != "table" or name != tables.revision.name}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, tables.metadata))

    different = await _on(place, compared)
    assert different == []
    return True


async def check_migrations(place: schema.Place, open_store: Callable[[], Awaitable[SqlStore]]) -> None:
    """Go from nothing to 0001, up, down and up again, with rows, on a database that is empty."""

    def nothing(connection: Connection) -> list[str]:
        return inspect(connection).get_table_names()

    assert await _on(place, nothing) == []
    assert await schema.version(place) is None
    first = schema.Place(engine=place.engine, dialect=place.dialect, head=schema.FIRST)
    assert await schema.upgrade(first) == (None, "0001")
    assert await schema.version(place) == "0001"
    store = await open_store()
    await furnish(store)
    await store.close()

    assert await agrees(place)
    before = await rows(place)
    assert before == ROWS
    assert await schema.downgrade(place, "0001") == ("0003", "0001")
    assert await rows(place) == before
    assert await schema.upgrade(place) == ("0001", "0003")
    assert await schema.upgrade(place) == ("0003", "0003")
    assert await rows(place) == before
    assert await agrees(place)
