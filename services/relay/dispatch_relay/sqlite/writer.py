"""Applies a batch of ops to the file, all of them in one transaction or none. Called by `committer`.

What each op does is `deciding`'s, `calls`', `reports`' and `forgetting`'s; here it is seen to that nobody takes for stored what is
not, whatever goes wrong.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from dispatch_relay.log import (
    Acked,
    Called,
    CallLater,
    Decide,
    Done,
    DropTarget,
    Erase,
    Failed,
    Keep,
    Note,
    Op,
    Reported,
    SetTarget,
    Stood,
    Sweep,
)
from dispatch_relay.sqlite.calls import Calls
from dispatch_relay.sqlite.connecting import BUSY_SECONDS
from dispatch_relay.sqlite.deciding import Decider
from dispatch_relay.sqlite.forgetting import Forgetter
from dispatch_relay.sqlite.pending import Pending
from dispatch_relay.sqlite.reports import Reports
from dispatch_relay.sqlite.threads import Threads


def _failed(ops: Sequence[object], failure: Exception) -> Sequence[Failed]:
    return [Failed(f"{type(failure).__name__}: {failure}")] * len(ops)


class Writer:
    """Applies ops to the database. One thread at a time may call it."""

    def __init__(self, db: sqlite3.Connection, *, thread_bytes: int, busy_seconds: float = BUSY_SECONDS) -> None:
        self._db = db
        self._busy_ms = round(busy_seconds * 1000)
        self._waits_ms = -1  # as the connection was told last
        self._threads = Threads(db, most_bytes=thread_bytes)
        self._pending = Pending(db)
        reports, calls = Reports(db), Calls(db, self._threads)
        decider = Decider(db, self._threads, self._pending, calls, reports)
        self._forgetter = Forgetter(db, self._threads, self._pending, reports)
        self._apply: dict[type[Op], Callable[[Any], Done]] = {
            Decide: decider.decide,
            Keep: decider.keep,
            Note: decider.note,
            Acked: decider.acked,
            Stood: decider.stood,
            Called: calls.called,
            CallLater: calls.call_later,
            SetTarget: calls.set_target,
            DropTarget: calls.drop_target,
            Reported: reports.reported,
            Erase: self._forgetter.erase,
            Sweep: self._forgetter.sweep,
        }

    def commit(self, ops: Sequence[Op]) -> Sequence[Done | Failed]:
        """Apply all or nothing, and wait: for somebody else who writes to the file, and for the disk."""
        try:
            self._begin(self._busy_ms)
        except Exception as failure:
            return _failed(ops, failure)
        return self.end(self._applied(ops))

    def apply(self, ops: Sequence[Op]) -> Sequence[Done | Failed] | None:
        """Apply all or nothing in a transaction that `end` commits. Waits for nobody: None when it can't begin at once."""
        try:
            self._begin(0)
        except Exception:
            return None  # whoever waits hears whether it goes then, and else why not
        return self._applied(ops)

    def end(self, results: Sequence[Done | Failed]) -> Sequence[Done | Failed]:
        """Commit what was applied, and wait for the disk."""
        if any(isinstance(one, Failed) for one in results):
            return results  # then nothing was applied
        try:
            if self._threads.too_long:
                self._forgetter.trim()
            self._db.execute("COMMIT")
        except Exception as failure:
            # Whatever it is, the thread that commits must live on, and nobody may take the ops for stored.
            self._roll_back()
            return _failed(results, failure)
        return results

    def close(self) -> None:
        self._db.close()

    def _begin(self, busy_ms: int) -> None:
        if busy_ms != self._waits_ms:
            self._db.execute(f"PRAGMA busy_timeout = {busy_ms}")
            self._waits_ms = busy_ms
        self._db.execute("BEGIN IMMEDIATE")

    def _applied(self, ops: Sequence[Op]) -> Sequence[Done | Failed]:
        try:
            results = [self._apply[type(op)](op) for op in ops]
            self._pending.write()
            self._threads.write()
        except Exception as failure:
            # Whatever it is, whoever writes must live on, and nobody may take the ops for stored.
            self._roll_back()
            return _failed(ops, failure)
        return results

    def _roll_back(self) -> None:
        self._threads.rolled_back()
        self._pending.rolled_back()
        if self._db.in_transaction:
            # If that fails no other transaction begins, and each batch fails with its reason.
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
