"""Switches, and pairings of whose end the pairing service has not heard. Functions over a transaction."""

from __future__ import annotations

from dispatch.ids import PairId

from dispatch_host.journal.writer import Tx
from dispatch_host.power.awake import DEFAULT, Mode


def keep_awake(tx: Tx) -> Mode:
    """Give when the computer is to be kept awake."""
    found = tx.execute("SELECT value FROM setting WHERE name = 'keep-awake'").fetchone()
    return DEFAULT if found is None else Mode(found["value"])


def set_keep_awake(tx: Tx, mode: Mode) -> None:
    """Remember when the computer is to be kept awake."""
    tx.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('keep-awake', ?)", (mode.value,))


def agent(tx: Tx) -> str:
    """Give the name of the agent that does the tasks; empty when nobody has chosen."""
    found = tx.execute("SELECT value FROM setting WHERE name = 'agent'").fetchone()
    return "" if found is None else str(found["value"])


def set_agent(tx: Tx, name: str) -> None:
    """Remember which agent does the tasks."""
    tx.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('agent', ?)", (name,))


def endings(tx: Tx) -> list[PairId]:
    """List the pairings that ended here and of which the service must still be told."""
    return [PairId(row["pair_id"]) for row in tx.execute("SELECT pair_id FROM ending")]


def add_ending(tx: Tx, pair_id: PairId) -> None:
    """Remember to tell the service."""
    tx.execute("INSERT OR IGNORE INTO ending (pair_id) VALUES (?)", (pair_id,))


def told_ending(pair_id: PairId, tx: Tx) -> None:
    """The service knows."""
    tx.execute("DELETE FROM ending WHERE pair_id = ?", (pair_id,))
