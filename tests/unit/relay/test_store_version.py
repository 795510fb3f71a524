"""The relay's store in SQLite goes from version to version with its rows, and one of a newer relay is not touched."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_relay.log import Stood
from dispatch_relay.migrations import HEAD, REVISIONS, Dialect, sql
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.sqlite import version as sqlite_version
from dispatch_relay.sqlite.log import SqliteLog

from tests.support.log_contract import PAIR, ROOMY, done, kept, posted

Dump = dict[str, list[tuple[object, ...]]]


def rows_of(path: Path) -> Dump:
    """Read every row of a store, but for the note of its version."""
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'alembic_version'")
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables.fetchall()}  # noqa: S608 -- its own


def shape_of(path: Path) -> object:
    """Read what a store is made of: tables with their columns, and indexes."""
    with closing(sqlite3.connect(path)) as db:
        tables = [row[1:] for row in db.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")]
        indexes = db.execute("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index'").fetchall()
        return (
            sorted((table, tuple(db.execute(f"PRAGMA table_xinfo({table[0]})"))) for table in tables),
            sorted((*index, tuple(db.execute(f"PRAGMA index_xinfo({index[0]})"))) for index in indexes),
        )


async def filled(path: Path) -> Path:
    """Make a store with something of each kind in it."""
    log = await SqliteLog.open(path)
    await done(log, posted("waits"))
    await done(log, kept("a row", ends="a task"))
    await done(log, _stood())
    await log.close()
    return path


def _stood() -> Stood:
    return Stood(PAIR, End.HOST, Presence(Standing.REACHABLE, since_ms=5))


async def test_rows_survive_every_step_down_and_up(tmp_path: Path) -> None:
    path = await filled(tmp_path / "relay.sqlite3")
    before = rows_of(path)
    assert all(before[table] for table in ("pairing", "thread_row", "pending", "task", "presence", "report", "call"))
    for older in reversed(REVISIONS[:-1]):
        assert sqlite_version.downgrade(path, to=None) == older
        assert (sqlite_version.version(path), rows_of(path)) == (older, before)
    with pytest.raises(errors.BadRequest, match="none below it"):
        sqlite_version.downgrade(path, to=None)
    log = await SqliteLog.open(path)  # as `serve` does
    assert (await log.thread(PAIR)).head_seq == len(await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)) == 1
    await log.close()
    assert (sqlite_version.version(path), rows_of(path)) == (HEAD, before)


async def test_a_store_from_before_there_was_a_note_of_its_version_is_the_first(tmp_path: Path) -> None:
    path = await filled(tmp_path / "relay.sqlite3")
    sqlite_version.downgrade(path, to=REVISIONS[0])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE alembic_version")  # what is left is what such a relay wrote
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    before = rows_of(path)
    assert sqlite_version.version(path) == REVISIONS[0]
    assert sqlite_version.upgrade(path) == REVISIONS[0]
    assert (sqlite_version.version(path), rows_of(path)) == (HEAD, before)


def test_a_new_store_is_what_all_steps_make_of_an_empty_one(tmp_path: Path) -> None:
    new, stepped = tmp_path / "new.sqlite3", tmp_path / "stepped.sqlite3"
    assert sqlite_version.upgrade(new) is None
    with closing(sqlite3.connect(stepped)) as db:
        db.executescript(sql(Dialect.SQLITE, start=None, end=HEAD))
    assert shape_of(new) == shape_of(stepped)


def test_a_store_of_a_newer_relay_is_refused_with_both_versions_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    sqlite_version.upgrade(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE alembic_version SET version_num = '0099'")
    before = path.read_bytes()
    for change in (sqlite_version.upgrade, lambda path: sqlite_version.downgrade(path, to=None)):
        with pytest.raises(errors.StoreFailed, match=f"0099.*{HEAD}"):
            change(path)
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "relay.sqlite3"
    sqlite_version.upgrade(path)
    sqlite_version.downgrade(path, to=None)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE INDEX presence_there ON presence (standing)")  # in the way of what the next version makes
    shape = shape_of(path)
    with pytest.raises(errors.StoreFailed):
        sqlite_version.upgrade(path)
    assert (sqlite_version.version(path), shape_of(path)) == (REVISIONS[-2], shape)


def test_the_revisions_are_those_that_alembic_finds() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from dispatch_relay import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    found = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_a_store_that_is_up_to_date_or_new_is_opened_without_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from dispatch_relay.sqlite import log, version;"
        "path = Path(sys.argv[1]); version.upgrade(path); version.upgrade(path);"
        "print(sorted({'alembic', 'sqlalchemy'} & sys.modules.keys()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "relay.sqlite3")], capture_output=True, check=True, text=True
    )
    assert said.stdout.strip() == "[]"
