"""What the pairing service is to be told of tasks, remembered in the transaction of what it is about until it has been told."""

from __future__ import annotations

import sqlite3

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.ids import PairId, TaskId

from dispatch_relay.log import Done, Reported
from dispatch_relay.verdict import Effect


class Reports:
    """The table."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self,
        pair_id: PairId,
        task_id: TaskId,
        posted_ms: int,
        *,
        reason: Reason.ValueType,
        accepted: bool = True,
        outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED,
        ended_ms: int = 0,
    ) -> None:
        """Remember that the pairing service is to be told."""
        self._db.execute(
            "INSERT INTO report (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms),
        )

    def reported(self, op: Reported) -> Done:
        """Forget what it was told."""
        self._db.executemany("DELETE FROM report WHERE number = ?", [(number,) for number in op.numbers])
        return Done(Effect.NOTHING)
