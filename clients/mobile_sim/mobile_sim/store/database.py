"""Opens the database and keeps its promise: what was committed survives a crash, what was not never happened.

Holds chain keys (docs/encryption.md says which) and the words of the thread, so the file is its owner's alone.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from dispatch import errors

from mobile_sim.store.files import FileBook
from mobile_sim.store.pairings import PairingBook
from mobile_sim.store.tasks import TaskBook
from mobile_sim.store.thread import ThreadBook

VERSION = 1

_SCHEMA = """
CREATE TABLE pairings (
    pair_id BLOB PRIMARY KEY,
    host_name TEXT NOT NULL,
    host_key BLOB NOT NULL,
    own_key BLOB NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    made_at_ms INTEGER NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0,
    head_number INTEGER NOT NULL DEFAULT 0,
    head_hash BLOB NOT NULL,
    holes INTEGER NOT NULL DEFAULT 0,
    keep_awake BLOB NOT NULL DEFAULT x'',
    warned TEXT NOT NULL DEFAULT '',
    warned_at_ms INTEGER NOT NULL DEFAULT 0,
    permissions BLOB,
    service_told INTEGER NOT NULL DEFAULT 0,
    lan_addresses TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE TABLE rights (
    pair_id BLOB PRIMARY KEY REFERENCES pairings,
    right_bytes BLOB NOT NULL,
    relays TEXT NOT NULL,
    renew_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE chains (
    pair_id BLOB NOT NULL REFERENCES pairings,
    place INTEGER NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (pair_id, place)
) WITHOUT ROWID;
CREATE TABLE events (
    pair_id BLOB NOT NULL REFERENCES pairings,
    number INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    hash BLOB NOT NULL,
    content BLOB,
    shown INTEGER NOT NULL,
    PRIMARY KEY (pair_id, number)
) WITHOUT ROWID;
CREATE INDEX events_by_id ON events (pair_id, event_id);
CREATE TABLE signatures (
    pair_id BLOB NOT NULL REFERENCES pairings,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (pair_id, number)
) WITHOUT ROWID;
CREATE TABLE early_events (
    pair_id BLOB NOT NULL REFERENCES pairings,
    number INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (pair_id, number)
) WITHOUT ROWID;
CREATE TABLE tasks (
    task_id BLOB PRIMARY KEY,
    pair_id BLOB NOT NULL REFERENCES pairings,
    text TEXT NOT NULL,
    made_at_ms INTEGER NOT NULL,
    after_number INTEGER NOT NULL,
    state TEXT NOT NULL,
    action BLOB NOT NULL,
    here INTEGER NOT NULL DEFAULT 0,
    shown_question BLOB NOT NULL DEFAULT x''
) WITHOUT ROWID;
CREATE INDEX tasks_by_pair ON tasks (pair_id, state);
CREATE TABLE posts (
    message_id BLOB PRIMARY KEY,
    pair_id BLOB NOT NULL REFERENCES pairings,
    task_id BLOB NOT NULL,
    action TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    posted_at_ms INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    retry_after_ms INTEGER NOT NULL DEFAULT 0,
    direct INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX posts_open ON posts (pair_id, verdict);
CREATE TABLE files (
    file_id BLOB PRIMARY KEY,
    pair_id BLOB NOT NULL REFERENCES pairings,
    task_id BLOB NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    key BLOB NOT NULL,
    state TEXT NOT NULL,
    path BLOB,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX files_by_pair ON files (pair_id, at_ms);
CREATE TABLE facts (
    task_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (task_id, ordinal)
) WITHOUT ROWID;
"""


class Store:
    """The phone's database. Used by the process that owns the home, by one task at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.pairings = PairingBook(connection)
        self.thread = ThreadBook(connection)
        self.tasks = TaskBook(connection)
        self.files = FileBook(connection)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open or make the database. Raises StoreFailed."""
        with _storing(path):
            # Made by us first, so that it is never readable by others, not even for a moment.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            connection.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON;"
            )
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
            elif version != VERSION:
                raise errors.StoreFailed(f"{path} was written by another version of this app ({version})")
        return cls(connection)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the body writes, all of it or nothing. Raises StoreFailed when the disk says no."""
        with _storing(None):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextlib.contextmanager
def _storing(path: Path | None) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as failure:
        where = f"{path}: " if path is not None else ""
        raise errors.StoreFailed(f"{where}{failure}") from failure
