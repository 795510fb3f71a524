"""How the account page says times, spans and fates in plain English. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import (
    OUTCOME_CANCELLED,
    OUTCOME_DENIED,
    OUTCOME_DONE,
    OUTCOME_FAILED,
    OUTCOME_INTERRUPTED,
    OUTCOME_TIMED_OUT,
)

from dispatch_pairing.model import Role, TaskRecord

_SECOND_MS = 1_000
_LATEST_MS = 253_402_300_799_000  # the last moment that a datetime can hold
_SPANS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000))
_AGES_MS = 30 * 86_400_000

KINDS = {Role.PHONE: "Phone", Role.HOST: "Computer"}


@dataclass(frozen=True, slots=True)
class Fate:
    """How a task ended, or that it runs."""

    word: str
    tone: str
    """good, bad or open: the colour, which says nothing that the word does not."""


OUTCOMES = {
    OUTCOME_DONE: Fate("Done", "good"),
    OUTCOME_FAILED: Fate("Failed", "bad"),
    OUTCOME_CANCELLED: Fate("Cancelled", "open"),
    OUTCOME_INTERRUPTED: Fate("Interrupted", "bad"),
    OUTCOME_DENIED: Fate("Denied", "open"),
    OUTCOME_TIMED_OUT: Fate("Nobody answered", "bad"),
}
REFUSED = Fate("Refused", "bad")
RUNNING = Fate("No outcome yet", "open")


def fate(task: TaskRecord) -> Fate:
    """Give how a task ended."""
    if not task.accepted:
        return REFUSED
    # The numbers are the relay's Outcome; one that this version does not know is none.
    return {int(outcome): known for outcome, known in OUTCOMES.items()}.get(task.outcome, RUNNING)


def why(task: TaskRecord) -> str:
    """Give the sentence that says why; empty when there is nothing to explain."""
    if task.reason == Reason.REASON_UNSPECIFIED:
        return "" if task.accepted else "It never ran."
    known = task.reason in Reason.values()
    sentence = errors.kind_of(Reason.ValueType(task.reason)).sentence if known else f"Reason {task.reason}."
    return sentence if task.accepted else f"{sentence} It never ran."


def lasted(task: TaskRecord) -> str:
    """Give how long a task took from its sending to its end; empty while it runs and when it never ran."""
    if not task.accepted or not task.ended_ms:
        return ""
    return span(max(task.ended_ms - task.posted_ms, 0))


def moment(at_ms: int) -> str:
    """Give a time as people read it. There is no script to ask the browser for its zone, so it is UTC."""
    return _datetime(at_ms).strftime("%Y-%m-%d %H:%M UTC")


def machine(at_ms: int) -> str:
    """Give a time as HTML's `datetime` wants it."""
    return _datetime(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(at_ms: int, *, now_ms: int) -> str:
    """Give how long ago something was: "3 hours ago", and the day when it is long ago."""
    age_ms = now_ms - at_ms
    if age_ms >= _AGES_MS:
        return "on " + _datetime(at_ms).strftime("%Y-%m-%d")
    for word, length_ms in _SPANS:
        if age_ms >= length_ms:
            return f"{_count(age_ms // length_ms, word)} ago"
    return "just now"


def span(length_ms: int) -> str:
    """Give a span in its two largest units: "2 min 5 s"."""
    seconds = (length_ms + _SECOND_MS // 2) // _SECOND_MS
    if seconds < 60:
        return f"{seconds} s" if length_ms >= _SECOND_MS else "less than 1 s"
    parts = ((seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    first = next(number for number, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def wait(length_ms: int) -> str:
    """Give a time to wait, rounded up: "30 seconds", "2 minutes"."""
    seconds = max(1, -(-length_ms // _SECOND_MS))
    return _count(seconds, "second") if seconds < 120 else _count(-(-seconds // 60), "minute")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _datetime(at_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(at_ms, 0), _LATEST_MS) / _SECOND_MS, UTC)
