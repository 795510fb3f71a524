"""Pairings that are not in the journal, and whose keys may still be among the device's secrets. Functions over a transaction."""

from __future__ import annotations

from dispatch.ids import PairId

from dispatch_host.journal.writer import Tx


def listed(tx: Tx) -> list[PairId]:
    """List them."""
    rows = tx.execute("SELECT pair_id FROM stray_keys WHERE pair_id NOT IN (SELECT pair_id FROM pairing)")
    return [PairId(row["pair_id"]) for row in rows]


def add(tx: Tx, pair_id: PairId) -> None:
    """Remember to delete the keys of a pairing that is over, or that may never come to be."""
    tx.execute("INSERT OR IGNORE INTO stray_keys (pair_id) VALUES (?)", (pair_id,))


def remove(tx: Tx, pair_id: PairId) -> None:
    """The keys are a pairing's, or are deleted."""
    tx.execute("DELETE FROM stray_keys WHERE pair_id = ?", (pair_id,))
