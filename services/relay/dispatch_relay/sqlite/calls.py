"""Calls that persons are owed, and where to they go."""

from __future__ import annotations

import sqlite3

from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint

from dispatch_relay.log import Called, CallLater, Done, DropTarget, SetTarget
from dispatch_relay.push import OwedCall
from dispatch_relay.sqlite.threads import Thread, Threads
from dispatch_relay.verdict import Effect


class Calls:
    """The tables of calls and of their targets."""

    def __init__(self, db: sqlite3.Connection, threads: Threads) -> None:
        self._db = db
        self._threads = threads

    def owe(
        self,
        thread: Thread,
        hint: PushHint.ValueType,
        *,
        seq: int,
        now_ms: int,
        outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED,
    ) -> OwedCall | None:
        """Remember, in the transaction of what it is for, that the person is to be called; without a hint nobody is."""
        if hint == PushHint.PUSH_HINT_UNSPECIFIED:
            return None
        number = self._db.execute(
            "INSERT INTO call (pairing, seq, hint, task_outcome, at_ms) VALUES (?, ?, ?, ?, ?)",
            (thread.key, seq, hint, outcome, now_ms),
        ).lastrowid
        return OwedCall(number or 0, seq, hint, at_ms=now_ms, outcome=outcome)

    def called(self, op: Called) -> Done:
        """Note what came of a call."""
        self._db.execute("UPDATE call SET outcome = ? WHERE number = ?", (op.outcome.value, op.number))
        return Done(Effect.NOTHING)

    def call_later(self, op: CallLater) -> Done:
        """Note when a call is tried again."""
        self._db.execute(
            "UPDATE call SET attempts = ?, due_ms = ? WHERE number = ? AND outcome = ''",
            (op.attempts, op.due_ms, op.number),
        )
        return Done(Effect.NOTHING)

    def set_target(self, op: SetTarget) -> Done:
        """Put a target in the place of the one before."""
        key, target = self._threads.of(op.pair_id).key, op.target
        self._db.execute("DELETE FROM push_target WHERE pairing = ?", (key,))
        if target:
            quiet = target.quiet
            hours = ("", 0, 0) if quiet is None else (quiet.time_zone, quiet.from_minute, quiet.to_minute)
            self._db.execute(
                "INSERT INTO push_target (pairing, endpoint, p256dh, auth, time_zone, from_minute, to_minute,"
                " questions_ring, language) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key, target.endpoint, target.p256dh, target.auth, *hours),
                    *(bool(quiet and quiet.questions_ring), target.language or ""),
                ),
            )
        return Done(Effect.NOTHING)

    def drop_target(self, op: DropTarget) -> Done:
        """Forget where to, if it is still the one that is meant, and keep when and in which language."""
        # Of a pairing that is over by now nothing is made again.
        where = "WHERE pairing = (SELECT id FROM pairing WHERE pair_id = ?) AND endpoint = ?"
        values = (op.pair_id, op.endpoint)
        self._db.execute(f"DELETE FROM push_target {where} AND time_zone = '' AND language = ''", values)  # noqa: S608 -- constant
        self._db.execute(f"UPDATE push_target SET endpoint = '', p256dh = x'', auth = x'' {where}", values)  # noqa: S608 -- constant
        return Done(Effect.NOTHING)
