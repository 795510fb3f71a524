"""When a person is called: grouped, not in their quiet hours, not too often, and again after what came to nothing. Pure.

All times are ms since 1970: they are kept over a restart. docs/push.md "When".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dispatch.api.relay.v1.relay_pb2 import PUSH_HINT_QUESTION

from dispatch_relay.push import OwedCall
from dispatch_relay.push.target import MINUTES_OF_DAY, Quiet

LONGEST_RETRY_MS = 30 * 60 * 1_000
LONGEST_ADVICE_MS = 60 * 60 * 1_000
"""No push service is waited for longer than this, whatever its Retry-After says."""
WORTH_MS = 24 * 60 * 60 * 1_000
"""For how long a call that came to nothing is tried again."""
_DOUBLED_AT_MOST = 30


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a person may be called, ms."""

    group_ms: int = 2_000
    news_gap_ms: int = 60_000
    question_gap_ms: int = 15_000
    retry_ms: int = 5_000


def is_question(owed: OwedCall) -> bool:
    """Tell whether somebody is asked."""
    return owed.hint == PUSH_HINT_QUESTION


def due_ms(owed: OwedCall, *, came_ms: int, rung_ms: int, quiet: Quiet | None, pace: Pace, now_ms: int) -> int:
    """Say when a call may go. `came_ms`: since when it waits here; `rung_ms`: when the person was called last, 0 for never."""
    if is_question(owed):
        due = max(came_ms, rung_ms + pace.question_gap_ms)
    else:
        due = max(came_ms + pace.group_ms, rung_ms + pace.news_gap_ms)
    if rung_ms > now_ms:  # the clock was set back: what it said is worth nothing
        due = came_ms
    return _let_through(owed, quiet, due)


def held(owed: OwedCall, quiet: Quiet | None, *, now_ms: int) -> bool:
    """Tell whether the quiet hours hold a call."""
    return _let_through(owed, quiet, now_ms) > now_ms


def _let_through(owed: OwedCall, quiet: Quiet | None, at_ms: int) -> int:
    return at_ms if quiet is None or (quiet.questions_ring and is_question(owed)) else after_quiet(quiet, at_ms)


def after_quiet(quiet: Quiet, at_ms: int) -> int:
    """Give the moment itself, or the end of the quiet hours that it falls into."""
    zone = ZoneInfo(quiet.time_zone)
    local = datetime.fromtimestamp(at_ms / 1_000, zone)
    minute = local.hour * 60 + local.minute
    length = (quiet.to_minute - quiet.from_minute) % MINUTES_OF_DAY
    if (minute - quiet.from_minute) % MINUTES_OF_DAY >= length:
        return at_ms
    hour, left = divmod(quiet.to_minute, 60)
    end = local.replace(hour=hour, minute=left, second=0, microsecond=0, fold=0)
    if quiet.to_minute <= minute:
        end = (local + timedelta(days=1)).replace(hour=hour, minute=left, second=0, microsecond=0, fold=0)
    # By way of UTC: an hour that a change of the clocks leaves out has no moment of its own there.
    return max(at_ms, int(end.astimezone(UTC).timestamp() * 1_000))


def retry_ms(attempts: int, *, advised_ms: int, pace: Pace, jitter: Callable[[float, float], float]) -> int:
    """Say how long to wait after so many attempts that came to nothing; `jitter(a, b)` gives a number between."""
    doubled: int = pace.retry_ms << min(attempts - 1, _DOUBLED_AT_MOST)
    wait = int(min(doubled, LONGEST_RETRY_MS) * jitter(0.75, 1.0))
    return max(wait, min(advised_ms, LONGEST_ADVICE_MS))


def over(owed: OwedCall, *, at_ms: int) -> bool:
    """Tell whether it is not worth to try a call again at that time."""
    return at_ms - owed.at_ms > WORTH_MS
