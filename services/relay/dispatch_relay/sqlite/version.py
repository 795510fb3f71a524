"""Which version the relay's store in SQLite has, and how it is brought to another. Called by `log` and `migrating`.

The version stands in `alembic_version`, and as a number in `user_version`, by which relays older than that table refuse a store
that is newer than they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from dispatch import errors
from dispatch.store_versions import target_below

from dispatch_relay.migrations import HEAD, REVISIONS, Dialect, check_known, sql
from dispatch_relay.sqlite.connecting import connect

_FIRST = "0001"


def version(path: Path) -> str | None:
    """Say which version a store has; None where there is none. Raises errors.StoreFailed."""
    if not path.exists():
        return None
    with _opened(path) as db:
        return _version(db)


def upgrade(path: Path) -> str | None:
    """Make the store, or bring it to HEAD; gives the version that it had. Safe to repeat.

    Raises errors.StoreFailed, also for one that is newer.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _opened(path) as db:
        had = _version(db)
        check_known(had, where=str(path))
        if had is None:
            _run(db, files("dispatch_relay.sqlite").joinpath("schema.sql").read_text(), to=HEAD)
        elif had != HEAD:
            _run(db, sql(Dialect.SQLITE, start=had, end=HEAD), to=HEAD)
    path.chmod(0o600)
    return had


def downgrade(path: Path, *, to: str | None) -> str:
    """Bring the store to an older version, one step if none is named; gives it.

    Raises errors.StoreFailed, errors.BadRequest for a version that is none below it.
    """
    had = version(path)
    check_known(had, where=str(path))
    goal = target_below(had, to, REVISIONS)
    with _opened(path) as db:
        _run(db, sql(Dialect.SQLITE, start=had, end=goal), to=goal)
    return goal


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(connect(path)) as db:
            yield db
    except sqlite3.Error as failure:
        raise errors.StoreFailed(f"{path}: {failure}") from failure


def _version(db: sqlite3.Connection) -> str | None:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
    if tables:
        found = db.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if found is None else str(found[0])
    (number,) = db.execute("PRAGMA user_version").fetchone()
    return f"{number:04}" if number else None


def _run(db: sqlite3.Connection, script: str, *, to: str) -> None:
    """Run all of it or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if _version(db) == _FIRST:  # written before there was a note of it
            db.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            db.execute("INSERT OR IGNORE INTO alembic_version VALUES (?)", (_FIRST,))
        for statement in _statements(script):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {int(to)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Take SQL apart: what runs several statements at once would end the transaction that they belong in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
