"""Approved folders, switches, and pairings of whose end the pairing service has not heard. Functions over a transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dispatch.ids import PairId

from dispatch_host.journal.writer import Tx
from dispatch_host.power.awake import DEFAULT, Mode
from dispatch_host.scope import Folder


def folders(tx: Tx) -> Sequence[Folder]:
    """List the approved folders by path."""
    rows = tx.execute("SELECT path, writable FROM folder ORDER BY path")
    return [Folder(path=Path(os.fsdecode(row["path"])), writable=bool(row["writable"])) for row in rows]


def approve(tx: Tx, folder: Folder) -> None:
    """Approve a folder, or change its access."""
    tx.execute(
        "INSERT OR REPLACE INTO folder (path, writable) VALUES (?, ?)", (os.fsencode(folder.path), folder.writable)
    )


def disapprove(tx: Tx, path: Path) -> bool:
    """Take an approval back; tells whether there was one."""
    return tx.execute("DELETE FROM folder WHERE path = ?", (os.fsencode(path),)).rowcount > 0


def keep_awake(tx: Tx) -> Mode:
    """Give when the computer is to be kept awake."""
    found = tx.execute("SELECT value FROM setting WHERE name = 'keep-awake'").fetchone()
    return DEFAULT if found is None else Mode(found["value"])


def set_keep_awake(tx: Tx, mode: Mode) -> None:
    """Remember when the computer is to be kept awake."""
    tx.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('keep-awake', ?)", (mode.value,))


def endings(tx: Tx) -> list[PairId]:
    """List the pairings that ended here and of which the service must still be told."""
    return [PairId(row["pair_id"]) for row in tx.execute("SELECT pair_id FROM ending")]


def add_ending(tx: Tx, pair_id: PairId) -> None:
    """Remember to tell the service."""
    tx.execute("INSERT OR IGNORE INTO ending (pair_id) VALUES (?)", (pair_id,))


def told_ending(pair_id: PairId, tx: Tx) -> None:
    """The service knows."""
    tx.execute("DELETE FROM ending WHERE pair_id = ?", (pair_id,))
