"""The revisions of the pairing service's schema on a real PostgreSQL. tests/unit/pairing_service/test_migrations.py has SQLite."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from dispatch.runtime.database import DatabaseAddress, parse_database
from dispatch_pairing.sql import open_postgres, schema

from tests.support.pairing_repository import furnish
from tests.support.pairing_schema import CHANGED, agrees, check_migrations, rows
from tests.support.postgres import PostgresServer
from tests.support.processes import run


async def a_database(postgres: PostgresServer) -> DatabaseAddress:
    return parse_database(postgres.address(await postgres.new_database()))


async def test_revisions_go_up_and_down_with_all_rows_and_agree_with_the_tables(postgres: PostgresServer) -> None:
    address = await a_database(postgres)
    await check_migrations(schema.in_database(address), lambda: open_postgres(address))


async def test_services_of_a_new_version_that_start_together_upgrade_once(postgres: PostgresServer) -> None:
    address = await a_database(postgres)
    place = schema.in_database(address)
    store = await open_postgres(address)
    await furnish(store)
    before = await rows(place)
    await store.close()
    newer = replace(place, scripts=(*place.scripts, CHANGED), head="0004")

    done = await asyncio.gather(*(schema.upgrade(newer) for _ in range(3)))

    assert sorted(done) == [("0003", "0004"), ("0004", "0004"), ("0004", "0004")]
    assert await rows(place) == before
    assert await schema.downgrade(newer, "0003") == ("0004", "0003")
    assert await agrees(place)


async def test_the_command_tells_the_version_of_a_database(postgres: PostgresServer, tmp_path: Path) -> None:
    name = await postgres.new_database()
    file = postgres.address_file(name, tmp_path / "database")
    words = ("dispatch-pairing", "store", "version", "--data", str(tmp_path / "data"), "--database", str(file))
    assert await run(*words) == (0, [{"event": "store", "version": None, "known": "0003"}])
    await (await open_postgres(parse_database(postgres.address(name)))).close()
    assert await run(*words) == (0, [{"event": "store", "version": "0003", "known": "0003"}])
