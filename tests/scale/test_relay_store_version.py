"""The relays' store in PostgreSQL goes from version to version with its rows, also when several relays start at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from dispatch import errors
from dispatch.runtime.database import DatabaseAddress, parse_database
from dispatch_relay.log import Stood
from dispatch_relay.migrations import HEAD, REVISIONS
from dispatch_relay.postgres import version
from dispatch_relay.postgres.opening import open_store
from dispatch_relay.presence import End, Presence, Standing

from tests.support.log_contract import PAIR, ROOMY, done, kept, posted
from tests.support.postgres import PostgresServer
from tests.support.processes import Process

KEPT = ("pairing", "thread_row", "pending", "task", "presence", "call", "report")
Rows = dict[str, list[tuple[object, ...]]]


@pytest.fixture
async def name(postgres: PostgresServer) -> str:
    """Name an empty database."""
    return await postgres.new_database()


@pytest.fixture
def address(postgres: PostgresServer, name: str) -> DatabaseAddress:
    """Give its address."""
    return parse_database(postgres.address(name))


async def rows_of(address: DatabaseAddress) -> Rows:
    db = await asyncpg.connect(address.url)
    try:
        return {table: [tuple(row) for row in await db.fetch(f"SELECT * FROM {table}")] for table in KEPT}  # noqa: S608 -- ours
    finally:
        await db.close()


async def fill(address: DatabaseAddress) -> None:
    store = await open_store(address, relay="one")
    assert await store.seats.take(PAIR) is None
    await done(store.log, posted("waits"))
    await done(store.log, kept("a row", ends="a task"))
    await done(store.log, Stood(PAIR, End.HOST, Presence(Standing.REACHABLE, since_ms=5)))
    await store.log.close()


async def test_rows_survive_every_step_down_and_up(address: DatabaseAddress) -> None:
    await fill(address)
    before = await rows_of(address)
    assert all(before.values())
    for older in reversed(REVISIONS[:-1]):
        assert await version.downgrade(address, to=None) == older
        assert (await version.version(address), await rows_of(address)) == (older, before)
    with pytest.raises(errors.BadRequest, match="none below it"):
        await version.downgrade(address, to=None)
    store = await open_store(address, relay="two")  # as `serve` does
    assert list(await store.seats.adopt(10)) == [PAIR]
    assert len(await store.log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)) == 1
    await store.log.close()
    assert (await version.version(address), await rows_of(address)) == (HEAD, before)


async def test_relays_that_start_at_once_make_the_store_once(address: DatabaseAddress) -> None:
    had = await asyncio.gather(*(version.upgrade(address) for _ in range(4)))
    assert sorted(had, key=str) == [HEAD, HEAD, HEAD, None]


async def test_a_store_of_newer_relays_is_refused_with_both_versions(address: DatabaseAddress) -> None:
    await version.upgrade(address)
    db = await asyncpg.connect(address.url)
    await db.execute("UPDATE alembic_version SET version_num = '0099'")
    await db.close()
    for change in (open_store(address, relay="one"), version.downgrade(address, to=None)):
        with pytest.raises(errors.StoreFailed, match=f"0099.*{HEAD}"):
            await change


async def test_the_command_line_brings_a_store_from_version_to_version(
    postgres: PostgresServer, name: str, tmp_path: Path
) -> None:
    file = postgres.address_file(name, tmp_path / "database")
    words = ("dispatch-relay", "store")
    options = ("--data", str(tmp_path), "--database", str(file))
    said = []
    for command in ("upgrade", "downgrade", "version"):
        process = await Process.start(*words, command, *options)
        said.append((await process.event("store"))["version"])
        assert await process.ended() == 0
        assert postgres.password.encode() not in process.stderr
    assert said == [HEAD, REVISIONS[-2], REVISIONS[-2]]
