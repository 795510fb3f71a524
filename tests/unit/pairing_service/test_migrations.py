"""The schema of a SQLite store and its revisions. tests/scale/test_pairing_migrations.py does the same on PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.errors import StoreFailed
from dispatch.ids import DeviceId, PairId
from dispatch_pairing.model import Role, TrustNews
from dispatch_pairing.sql import open_sqlite, schema

from tests.support.pairing_repository import furnish
from tests.support.pairing_schema import CHANGED, ROWS, agrees, check_migrations, rows
from tests.support.processes import run


def said(file: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as sql, sql:
        return [row for statement in statements for row in sql.execute(statement)]


def from_before_revisions(file: Path, *statements: str) -> None:
    """Make of a store what it was before there were revisions."""
    said(
        file,
        "DROP TABLE pairing_revision",
        "DROP INDEX ix_offers_phone",
        "DROP INDEX ix_pairings_account",
        "DROP INDEX ix_tasks_posted",
        "ALTER TABLE trust_news DROP COLUMN digest",
        "UPDATE service SET schema_version = 1",
        *statements,
    )


async def test_revisions_go_up_and_down_with_all_rows_and_agree_with_the_tables(tmp_path: Path) -> None:
    await check_migrations(schema.in_file(tmp_path / "pairing.db"), lambda: open_sqlite(tmp_path / "pairing.db"))


async def test_a_store_from_before_there_were_revisions_is_upgraded_by_its_opening(tmp_path: Path) -> None:
    file = tmp_path / "pairing.db"
    store = await open_sqlite(file)
    await furnish(store)
    await store.close()
    from_before_revisions(file)
    assert await schema.version(schema.in_file(file)) == "0001"

    opened = await asyncio.gather(*(open_sqlite(file) for _ in range(3)))

    assert await schema.version(schema.in_file(file)) == "0003"
    assert said(file, "SELECT schema_version FROM service") == [(3,)]
    assert await agrees(schema.in_file(file))
    async with opened[0].read() as kept:
        assert len(await kept.accounts.all()) == 2
    for one in opened:
        await one.close()


async def test_what_relays_were_told_before_there_were_digests_has_the_same_ones_as_now(tmp_path: Path) -> None:
    file = tmp_path / "pairing.db"
    store = await open_sqlite(file)
    async with store.write() as kept:
        for news in (
            TrustNews(7, pair_id=PairId(b"p" * 16), ended_by=Role.HOST),
            TrustNews(9, device_id=DeviceId(b"d" * 16)),
            TrustNews(2**62, pair_id=PairId(b"q" * 16)),
        ):
            await kept.feed.append(news.after(await kept.feed.digest(news.sequence)))
    await store.close()
    place, digests = schema.in_file(file), "SELECT digest FROM trust_news ORDER BY sequence"
    before = said(file, digests)

    await schema.downgrade(place, "0002")
    await schema.upgrade(place)

    assert said(file, digests) == before
    assert len(set(before)) == 3


async def test_a_store_of_a_newer_version_is_refused_by_both_names(tmp_path: Path) -> None:
    file = tmp_path / "pairing.db"
    await (await open_sqlite(file)).close()
    said(file, "UPDATE pairing_revision SET version_num = '0099'")

    with pytest.raises(StoreFailed, match="version 0099, and this program knows up to 0003"):
        await open_sqlite(file)
    with pytest.raises(StoreFailed, match="version 0099"):
        await schema.downgrade(schema.in_file(file), "0001")

    from_before_revisions(file, "UPDATE service SET schema_version = 99")
    with pytest.raises(StoreFailed, match="version 99"):
        await open_sqlite(file)


async def test_a_revision_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "pairing.db"
    store = await open_sqlite(file)
    await furnish(store)
    await store.close()
    scripts = tmp_path / "more, of them"
    scripts.mkdir()
    (scripts / "0004_broken.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0004', '0003'\n"
        "def upgrade():\n"
        "    op.execute('DROP TABLE tasks')\n"
        "    op.execute('DELETE FROM accounts')\n"
    )
    place = schema.in_file(file)
    place = replace(place, scripts=(*place.scripts, scripts), head="0004")

    with pytest.raises(StoreFailed, match="rows of the database point at rows that are not there"):
        await schema.upgrade(place)

    assert await schema.version(place) == "0003"
    assert said(file, "SELECT count(*) FROM accounts") == [(2,)]
    assert said(file, "SELECT count(*) FROM tasks") == [(0,)]


async def test_a_table_that_others_point_at_is_changed_without_losing_their_rows(tmp_path: Path) -> None:
    """SQLite makes such a table anew: with foreign keys on, that takes the rows that point at it along."""
    file = tmp_path / "pairing.db"
    store = await open_sqlite(file)
    await furnish(store)
    await store.close()
    place = schema.in_file(file)
    before = await rows(place)

    await schema.upgrade(replace(place, scripts=(*place.scripts, CHANGED), head="0004"))

    assert said(file, "SELECT DISTINCT note FROM accounts") == [("none",)]
    assert await rows(place) == before
    assert before == ROWS


@pytest.mark.big
async def test_the_commands_tell_upgrade_and_go_back(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    assert (await run("dispatch-pairing", "store", "version", *data))[0] != 0
    assert not (tmp_path / "pairing.db").exists()
    await (await open_sqlite(tmp_path / "pairing.db")).close()

    down, there = await run("dispatch-pairing", "store", "downgrade", *data)
    now, told = await run("dispatch-pairing", "store", "version", *data)
    wrong, refused = await run("dispatch-pairing", "store", "downgrade", "--to", "0007", *data)
    up, back = await run("dispatch-pairing", "store", "upgrade", *data)

    assert (down, now, up) == (0, 0, 0)
    assert there[-1] == {"event": "store", "version": "0002"}
    assert told[-1] == {"event": "store", "version": "0002", "known": "0003"}
    assert back[-1] == {"event": "store", "version": "0003", "before": "0002"}
    assert (wrong, refused[-1]["reason"]) == (2, "BAD_REQUEST")
