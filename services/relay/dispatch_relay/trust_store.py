"""Keeps what the pairing service said, in a small SQLite file, so that a relay that starts again lets nobody in by mistake.

Called by `trust_feed` and `app`, off the event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dispatch import errors, proof
from dispatch.ids import DeviceId, PairId

from dispatch_relay.presence import End
from dispatch_relay.trust import Known, News

_SCHEMA = """
CREATE TABLE IF NOT EXISTS grant_key (place INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS feed_digest (only INTEGER PRIMARY KEY CHECK (only = 1), digest BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS ended_pairing (pair_id BLOB PRIMARY KEY, ended_by INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revoked_device (device_id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
"""


class TrustStore:
    """The file. Each call opens it for itself: news are rare."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=2.0)
        db.execute("PRAGMA synchronous = FULL")
        return db

    def load(self) -> Known:
        """Read what is kept; makes the file. Raises errors.StoreFailed."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with closing(self._connect()) as db:
                db.executescript(_SCHEMA)
                self._path.chmod(0o600)
                keys = [key for (key,) in db.execute("SELECT key FROM grant_key ORDER BY place")]
                counters = dict(db.execute("SELECT name, value FROM counter").fetchall())
                digest = db.execute("SELECT digest FROM feed_digest").fetchone()
                ended = db.execute("SELECT pair_id, ended_by FROM ended_pairing").fetchall()
                revoked = db.execute("SELECT device_id FROM revoked_device").fetchall()
        except (sqlite3.Error, OSError) as failure:
            raise errors.StoreFailed(str(failure)) from failure
        return Known(
            keys=proof.PinnedKeys(tuple(keys), counters.get("keys", 0)) if keys else None,
            ended={PairId(pair_id): End(ended_by) if ended_by else None for pair_id, ended_by in ended},
            revoked=frozenset(DeviceId(device_id) for (device_id,) in revoked),
            sequence=counters.get("feed", 0),
            digest=digest[0] if digest else b"",
            heard_ms=counters.get("heard", 0),
        )

    def keep(self, news: News) -> None:
        """Keep news, all or nothing. Raises errors.StoreFailed."""
        with self._writing() as db:
            if news.keys is not None:
                db.execute("DELETE FROM grant_key")
                db.executemany("INSERT INTO grant_key VALUES (?, ?)", enumerate(news.keys.keys))
                db.execute("INSERT OR REPLACE INTO counter VALUES ('keys', ?)", (news.keys.sequence,))
            db.executemany(
                "INSERT OR REPLACE INTO ended_pairing VALUES (?, ?)",
                [(pair_id, end.value if end else None) for pair_id, end in news.ended.items()],
            )
            db.executemany("INSERT OR IGNORE INTO revoked_device VALUES (?)", [(one,) for one in news.revoked])
            if news.complete:
                db.execute("INSERT OR REPLACE INTO counter VALUES ('feed', ?)", (news.sequence,))
                db.execute("INSERT OR REPLACE INTO feed_digest VALUES (1, ?)", (news.digest,))

    def keep_heard(self, heard_ms: int) -> None:
        """Keep when the service was last heard. Raises errors.StoreFailed."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO counter VALUES ('heard', ?)", (heard_ms,))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect()) as db:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
        except sqlite3.Error as failure:
            raise errors.StoreFailed(str(failure)) from failure
