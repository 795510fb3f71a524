"""Writes entries of the schedule for the command line: objects for programs, lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.device.telling import task_word
from dispatch.plain import one_line

from dispatch_host.schedule.missed import Missed
from dispatch_host.telling import task

MISSED = {Missed.SKIP: pb.MISSED_RUNS_SKIP, Missed.ONCE: pb.MISSED_RUNS_ONCE}
"""What becomes of missed times, in the contract."""
_SHORT_ID = 8


def missed(entry: pb.Schedule) -> Missed | None:
    """Read what becomes of missed times: skipped where nothing is said, None for what is not known here."""
    if entry.missed == pb.MISSED_RUNS_UNSPECIFIED:
        return Missed.SKIP
    return next((one for one, known in MISSED.items() if known == entry.missed), None)


def told(entry: pb.Schedule, event: str, *, zone: str = "") -> dict[str, Any]:
    """Give an entry as an object."""
    written: dict[str, Any] = {
        "event": event,
        "schedule_id": entry.schedule_id.hex(),
        "phone": entry.phone_name or None,
        "text": entry.text,
        "cron": entry.cron or None,
        "when": entry.at or None,
        "missed": missed(entry) or Missed.SKIP,
        "paused": entry.paused,
        "next_at": entry.next_at_ms or None,
        "last": task(entry.last) | {"due_at": entry.last_due_at_ms} if entry.HasField("last") else None,
    }
    return written | ({"zone": zone} if zone else {})


def lines(entry: pb.Schedule) -> Iterator[str]:
    """Give it as lines."""
    yield f"{entry.schedule_id.hex()[:_SHORT_ID]}  {entry.cron or entry.at:<18} {first_line(entry)}"
    due = f"next {_time(entry.next_at_ms)}" if entry.next_at_ms else "not again"
    who = f"for {one_line(entry.phone_name, 80)}" if entry.phone_name else "its phone is not paired any more"
    made_up = "; missed ones are made up for by one run" if entry.missed == pb.MISSED_RUNS_ONCE else ""
    yield f"          {'paused' if entry.paused else due}; {who}{made_up}"
    if entry.HasField("last"):
        yield f"          last {_time(entry.last_due_at_ms)}: {entry.last.state.replace('_', ' ')}"


def removed(entry: pb.Schedule) -> Iterator[str]:
    """Give one that was taken out as lines, with what became of its run."""
    yield f"Removed: {first_line(entry)}"
    if entry.last.state == "cancelled":
        yield "  Its run is cancelled."
    elif entry.last.state == "running":
        yield f"  Its run works on: dispatch-host cancel {task_word(entry.last.task_id)}"


def first_line(entry: pb.Schedule) -> str:
    """Give the beginning of what is to be done."""
    return one_line(entry.text.strip().partition("\n")[0], 80)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%a %Y-%m-%d %H:%M")
