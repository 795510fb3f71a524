"""The host's signatures on its threads, kept so that they can be checked on the disk. Functions over a step's transaction."""

from __future__ import annotations

from dispatch.ids import PairId
from dispatch.sealed.head import Head

from dispatch_host.journal.writer import Tx


def keep(tx: Tx, thread: int, head: Head, *, pair_id: PairId, host_key: bytes, signature: bytes) -> None:
    """Keep a signature on a place; the first on a place stays."""
    tx.execute(
        "INSERT OR IGNORE INTO head_signature (thread, number, hash, pair_id, signature) VALUES (?, ?, ?, ?, ?)",
        (thread, head.number, head.hash, pair_id, signature),
    )
    tx.execute(
        "INSERT OR IGNORE INTO signed_for (thread, pair_id, host_key) VALUES (?, ?, ?)", (thread, pair_id, host_key)
    )


def drop_behind(tx: Tx, thread: int, number: int) -> None:
    """Drop those on places that left the chain."""
    tx.execute("DELETE FROM head_signature WHERE thread = ? AND number > ?", (thread, number))
