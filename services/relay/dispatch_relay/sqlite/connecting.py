"""Opens a connection to the relay's file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

BUSY_SECONDS = 2.0
"""How long somebody else who writes to the file is waited for."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that waits for the disk at each commit. Raises sqlite3.Error."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    db.execute("PRAGMA page_size = 8192")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 8000")
    db.execute("PRAGMA secure_delete = ON")  # what is refused or erased is gone, ciphertext or not
    return db
