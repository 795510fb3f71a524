"""What an answer of a push service means. Pure. docs/push.md "When"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum


class Result(Enum):
    """What became of one attempt. The values are metric labels."""

    SENT = "sent"
    GONE = "gone"  # there is no such subscription any more
    BUSY = "busy"  # not now
    UNREACHABLE = "unreachable"
    FORBIDDEN = "forbidden"  # an address that this relay does not call
    REFUSED = "refused"  # the same would be refused again

    @property
    def passing(self) -> bool:
        """Whether it may go better another time."""
        return self in {Result.BUSY, Result.UNREACHABLE}


@dataclass(frozen=True, slots=True)
class Answer:
    """An attempt's result, and when to come back, ms; 0 for no advice."""

    result: Result
    retry_after_ms: int = 0


_SENT = range(200, 205)
_GONE = frozenset({404, 410})
_BUSY = frozenset({408, 425, 429})
_SERVERS_FAULT = 500


def judged(status: int, retry_after: str, *, now_ms: int) -> Answer:
    """Judge an HTTP answer by its status and its Retry-After, which may be empty. `now_ms`: since 1970."""
    if status in _SENT:
        return Answer(Result.SENT)
    if status in _GONE:
        return Answer(Result.GONE)
    if status in _BUSY or status >= _SERVERS_FAULT:
        return Answer(Result.BUSY, _read_retry_after(retry_after, now_ms=now_ms))
    return Answer(Result.REFUSED)


def _read_retry_after(text: str, *, now_ms: int) -> int:
    """Give the ms of "120" and of "Fri, 27 Nov 2026 08:00:00 GMT"; 0 for what is neither."""
    if text.isascii() and text.isdigit() and len(text) <= len("31536000"):
        return int(text) * 1_000
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0, int(when.timestamp() * 1_000) - now_ms)
