"""The book of pairings: which hosts, how far each thread was read, the right to attach.

Keys are in the key store, not here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dispatch.ids import PairId


class PairingState(StrEnum):
    """What a pairing is to this phone."""

    PROVISIONAL = "provisional"
    """Confirmed here; the host's confirmation, or the first session, is still to come."""
    ACTIVE = "active"
    ENDED = "ended"
    """Over: its keys are deleted, its thread can still be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One pairing."""

    pair_id: PairId
    host_name: str
    host_key: bytes
    own_key: bytes
    """This phone's key when the two were paired: by it the phone's words in the thread are checked."""
    state: PairingState
    made_at_ms: int
    reason: str = ""
    """Why it is over, or what a server said of it; empty for nothing."""
    cursor: int = 0
    """The last row of the relay's log that was taken, without a gap."""
    head_number: int = 0
    head_hash: bytes = bytes(32)
    """The end of the part of the thread that is checked."""
    holes: int = 0
    """Rows that did not open."""
    keep_awake: bytes = b""
    """A serialized KeepAwake: what the host last said; empty for nothing."""
    permissions: bytes | None = None
    """A serialized Permissions: what the host last said; None for nothing."""
    service_told: bool = False
    """Whether the pairing service knows that it is over."""


@dataclass(frozen=True, slots=True)
class Right:
    """A serialized SignedGrant, where it may be used, and when to ask for a new one (this phone's wall clock)."""

    grant: bytes
    relays: Sequence[str]
    renew_at_ms: int


_COLUMNS = (
    "pair_id, host_name, host_key, own_key, state, made_at_ms, reason, cursor, head_number, head_hash, holes,"
    " keep_awake, permissions, service_told"
)


class PairingBook:
    """Reads and writes pairings, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> list[Pairing]:
        """List all, oldest first."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM pairings ORDER BY made_at_ms, pair_id")  # noqa: S608 -- constant
        return [_pairing(row) for row in rows]

    def get(self, pair_id: PairId) -> Pairing | None:
        """Give one."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM pairings WHERE pair_id = ?", (pair_id,))  # noqa: S608 -- constant
        return next((_pairing(row) for row in rows), None)

    def add(self, pairing: Pairing) -> None:
        """Keep a new one."""
        self._connection.execute(
            "INSERT INTO pairings (pair_id, host_name, host_key, own_key, state, made_at_ms, head_hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                pairing.pair_id, pairing.host_name, pairing.host_key, pairing.own_key, pairing.state,
                pairing.made_at_ms, pairing.head_hash,
            ),
        )  # fmt: skip

    def set_state(self, pair_id: PairId, state: PairingState, *, reason: str = "") -> None:
        """Move it. A pairing that is over loses its right and its chains."""
        self._connection.execute(
            "UPDATE pairings SET state = ?, reason = ? WHERE pair_id = ?", (state, reason, pair_id)
        )
        if state is PairingState.ENDED:
            for table in ("rights", "chains", "early_events"):
                self._connection.execute(f"DELETE FROM {table} WHERE pair_id = ?", (pair_id,))  # noqa: S608 -- constants

    def set_reason(self, pair_id: PairId, reason: str) -> None:
        """Note what a server said of it."""
        self._connection.execute("UPDATE pairings SET reason = ? WHERE pair_id = ?", (reason, pair_id))

    def set_told(self, pair_id: PairId) -> None:
        """Note that the pairing service knows of its end."""
        self._connection.execute("UPDATE pairings SET service_told = 1 WHERE pair_id = ?", (pair_id,))

    def forget(self, pair_id: PairId) -> None:
        """Delete one that never came to be."""
        self._connection.execute("DELETE FROM rights WHERE pair_id = ?", (pair_id,))
        self._connection.execute("DELETE FROM chains WHERE pair_id = ?", (pair_id,))
        self._connection.execute("DELETE FROM pairings WHERE pair_id = ?", (pair_id,))

    def set_cursor(self, pair_id: PairId, cursor: int) -> None:
        """Note the last row taken."""
        self._connection.execute("UPDATE pairings SET cursor = ? WHERE pair_id = ?", (cursor, pair_id))

    def set_head(self, pair_id: PairId, number: int, digest: bytes) -> None:
        """Note the end of the checked part."""
        self._connection.execute(
            "UPDATE pairings SET head_number = ?, head_hash = ? WHERE pair_id = ?", (number, digest, pair_id)
        )

    def lan_addresses(self, pair_id: PairId) -> Sequence[str]:
        """Give where the host last said that it can be reached directly."""
        row = self._connection.execute("SELECT lan_addresses FROM pairings WHERE pair_id = ?", (pair_id,)).fetchone()
        return () if row is None else tuple(json.loads(row[0]))

    def set_lan_addresses(self, pair_id: PairId, addresses: Sequence[str]) -> None:
        """Keep them."""
        self._connection.execute(
            "UPDATE pairings SET lan_addresses = ? WHERE pair_id = ?", (json.dumps(list(addresses)), pair_id)
        )

    def add_holes(self, pair_id: PairId, count: int) -> None:
        """Count rows that did not open."""
        self._connection.execute("UPDATE pairings SET holes = holes + ? WHERE pair_id = ?", (count, pair_id))

    def set_keep_awake(self, pair_id: PairId, state: bytes) -> None:
        """Note what the host says of being kept awake."""
        self._connection.execute("UPDATE pairings SET keep_awake = ? WHERE pair_id = ?", (state, pair_id))

    def warned(self, pair_id: PairId) -> tuple[str, int]:
        """Give the reason that the person was last warned for, and when (this phone's wall clock, ms); empty for never."""
        row = self._connection.execute(
            "SELECT warned, warned_at_ms FROM pairings WHERE pair_id = ?", (pair_id,)
        ).fetchone()
        return ("", 0) if row is None else (row[0], row[1])

    def set_warned(self, pair_id: PairId, reason: str, at_ms: int) -> None:
        """Note that the person was warned, or with no reason that there is nothing to warn of any more."""
        self._connection.execute(
            "UPDATE pairings SET warned = ?, warned_at_ms = ? WHERE pair_id = ?", (reason, at_ms, pair_id)
        )

    def set_permissions(self, pair_id: PairId, permissions: bytes) -> None:
        """Note what the host says that agents may do."""
        self._connection.execute("UPDATE pairings SET permissions = ? WHERE pair_id = ?", (permissions, pair_id))

    def right(self, pair_id: PairId) -> Right | None:
        """Give the right to attach that was last fetched."""
        row = self._connection.execute(
            "SELECT right_bytes, relays, renew_at_ms FROM rights WHERE pair_id = ?", (pair_id,)
        ).fetchone()
        return None if row is None else Right(grant=row[0], relays=tuple(json.loads(row[1])), renew_at_ms=row[2])

    def forget_rights(self) -> None:
        """Forget every right to attach."""
        self._connection.execute("DELETE FROM rights")

    def set_right(self, pair_id: PairId, right: Right) -> None:
        """Keep a fresh one."""
        self._connection.execute(
            "INSERT OR REPLACE INTO rights (pair_id, right_bytes, relays, renew_at_ms) VALUES (?, ?, ?, ?)",
            (pair_id, right.grant, json.dumps(list(right.relays)), right.renew_at_ms),
        )


def _pairing(
    row: tuple[bytes, str, bytes, bytes, str, int, str, int, int, bytes, int, bytes, bytes | None, int],
) -> Pairing:
    (
        pair_id,
        host_name,
        host_key,
        own_key,
        state,
        made_at_ms,
        reason,
        cursor,
        head_number,
        head_hash,
        holes,
        awake,
        permissions,
        told,
    ) = row
    return Pairing(
        pair_id=PairId(pair_id),
        host_name=host_name,
        host_key=host_key,
        own_key=own_key,
        state=PairingState(state),
        made_at_ms=made_at_ms,
        reason=reason,
        cursor=cursor,
        head_number=head_number,
        head_hash=head_hash,
        holes=holes,
        keep_awake=awake,
        permissions=permissions,
        service_told=bool(told),
    )
