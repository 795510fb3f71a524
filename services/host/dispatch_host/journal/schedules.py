"""The entries of the schedule. Functions over a step's transaction; when each is due is `dispatch_host.schedule`'s."""

from __future__ import annotations

import sqlite3

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import TaskId

from dispatch_host.journal.writer import Tx
from dispatch_host.schedule.entry import Entry
from dispatch_host.schedule.missed import Missed
from dispatch_host.schedule.times import Times


def add(tx: Tx, entry: Entry) -> None:
    """Keep a new entry."""
    tx.execute(
        "INSERT INTO schedule (schedule_id, thread, text, cron, at, missed, made_at_ms, dealt_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.schedule_id,
            entry.thread,
            entry.text,
            entry.times.cron,
            entry.times.at,
            entry.missed,
            entry.made_at_ms,
            entry.dealt_ms,
        ),
    )


def every(tx: Tx) -> list[Entry]:
    """List the entries, oldest first."""
    return [_entry(row) for row in tx.execute("SELECT * FROM schedule ORDER BY made_at_ms, schedule_id")]


def remove(tx: Tx, schedule_id: bytes) -> None:
    """Take an entry out."""
    tx.execute("DELETE FROM schedule WHERE schedule_id = ?", (schedule_id,))


def pause(tx: Tx, schedule_id: bytes, *, paused: bool, now_ms: int) -> None:
    """Let an entry rest, or go on: what was due up to now is dealt with either way."""
    tx.execute(
        "UPDATE schedule SET paused = ?, dealt_ms = max(dealt_ms, ?), held = 0 WHERE schedule_id = ?",
        (paused, now_ms, schedule_id),
    )


def hold(tx: Tx, schedule_id: bytes, why: Reason.ValueType) -> None:
    """Note why what is due has to wait."""
    tx.execute("UPDATE schedule SET held = ? WHERE schedule_id = ?", (why, schedule_id))


def deal(tx: Tx, schedule_id: bytes, *, until_ms: int) -> None:
    """Note up to when everything was dealt with."""
    tx.execute("UPDATE schedule SET dealt_ms = ?, held = 0 WHERE schedule_id = ?", (until_ms, schedule_id))


def ran(tx: Tx, schedule_id: bytes, task_id: TaskId, *, due_ms: int) -> None:
    """Note the newest task of an entry."""
    tx.execute(
        "UPDATE schedule SET last_task_id = ?, last_due_ms = ? WHERE schedule_id = ?", (task_id, due_ms, schedule_id)
    )


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        schedule_id=row["schedule_id"],
        thread=row["thread"],
        text=row["text"],
        times=Times(cron=row["cron"], at=row["at"]),
        missed=Missed(row["missed"]),
        paused=bool(row["paused"]),
        made_at_ms=row["made_at_ms"],
        dealt_ms=row["dealt_ms"],
        held=row["held"],
        last_task_id=TaskId(row["last_task_id"]),
        last_due_ms=row["last_due_ms"],
    )
