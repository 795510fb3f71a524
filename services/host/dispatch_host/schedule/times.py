"""When something is due: a cron expression, or one moment, in a zone. Pure but for the zone's rules; docs/schedule.md, "When".

cronsim reads the expressions as Debian's cron does, clock changes included. All times that go in or out are ms since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError
from dispatch import errors

MOST_COUNTED = 1000
_CRON_CHARACTERS = 256
_CRON_FIELDS = 5
_AT_FORMAT = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Times:
    """A plan of times: one of the two is set."""

    cron: str = ""
    at: str = ""
    """One moment, as the clock on the wall shows it."""


@dataclass(frozen=True, slots=True)
class Due:
    """The times that were due in a span."""

    first: int
    last: int
    before_last: int | None
    """The one before the last; None when there was only one."""
    count: int
    """At most MOST_COUNTED."""


def checked(times: Times, *, now_ms: int, zone: tzinfo) -> Times:
    """Read what a person wrote. Raises BadRequest for what is no time, never comes, or is over."""
    if times.at:
        at = _read_moment(times.at)
        if not _exists(at, zone):
            raise errors.BadRequest("the clocks change then: there is no such time", metadata={"field": "at"})
        if first_after(times, now_ms, zone) is None:
            raise errors.BadRequest("that time is over", metadata={"field": "at"})
        return Times(at=at.strftime(_AT_FORMAT))
    fields = times.cron.split()
    if len(times.cron) > _CRON_CHARACTERS or len(fields) != _CRON_FIELDS:
        raise errors.BadRequest(
            'when is five fields, "minute hour day month weekday": "0 8 * * 1-5"', metadata={"field": "cron"}
        )
    read = Times(cron=" ".join(fields))
    try:
        found = next((at for at in _cron(read.cron, now_ms, zone) if at > now_ms), None)
    except (CronSimError, ValueError, AssertionError, TypeError) as failure:
        # The library's own words name the field; what it was not written for ends in one of the others.
        why = str(failure) if isinstance(failure, CronSimError) else "it can't be read"
        raise errors.BadRequest(f"no times can be read from it: {why}", metadata={"field": "cron"}) from None
    if found is None:
        raise errors.BadRequest("that never comes", metadata={"field": "cron"})
    return read


def first_after(times: Times, after_ms: int, zone: tzinfo) -> int | None:
    """Give the first time behind a moment; None when there is none."""
    return next((at for at in _behind(times, after_ms, zone) if at > after_ms), None)


def due_between(times: Times, after_ms: int, until_ms: int, zone: tzinfo) -> Due | None:
    """Give what was due behind the one moment and up to the other; None for nothing."""
    first = last = before_last = None
    count = 0
    for at in _distinct(_behind(times, after_ms, zone), after_ms):
        if at > until_ms:
            break
        first = at if first is None else first
        before_last, last, count = last, at, count + 1
        if count == MOST_COUNTED:
            before_last, last = _newest_two(times, until_ms, zone, least=(before_last or at, at))
            break
    return None if first is None or last is None else Due(first, last, before_last, count)


def _newest_two(times: Times, until_ms: int, zone: tzinfo, *, least: tuple[int, int]) -> tuple[int, int]:
    """Give the last two times up to a moment without going through all before them."""
    backwards = CronSim(times.cron, _local(until_ms + 1000, zone), reverse=True)
    # Reckoned on the wall, which shows an hour twice in autumn: a little further back, and forward again.
    places = [_ms(at) for at, _ in zip(backwards, range(4), strict=False)]
    before_last, last = least
    for at in _distinct(_behind(times, min(places, default=until_ms) - 1000, zone), least[1]):
        if at > until_ms:
            break
        before_last, last = last, at
    return before_last, last


def _behind(times: Times, after_ms: int, zone: tzinfo) -> Iterator[int]:
    """Give times from somewhere before the moment on, in order; some may come twice, and a few before it."""
    if times.at:
        at = _read_moment(times.at).replace(tzinfo=zone)
        # A zone that was changed since may leave the time out: then it is as far behind the gap as it was in it.
        yield _ms(at.astimezone(UTC))
        return
    yield from _cron(times.cron, after_ms, zone)


def _cron(cron: str, after_ms: int, zone: tzinfo) -> Iterator[int]:
    try:
        for at in CronSim(cron, _local(after_ms, zone)):
            yield _ms(at)
    except OverflowError:
        return  # the end of the calendar


def _distinct(times: Iterator[int], after_ms: int) -> Iterator[int]:
    """Pass on what is later than all before it: two times that a gap in the hours moves to its end are one."""
    newest = after_ms
    for at in times:
        if at > newest:
            newest = at
            yield at


def _read_moment(text: str) -> datetime:
    try:
        return datetime.strptime(text.strip().replace("T", " ")[:16], _AT_FORMAT)  # noqa: DTZ007 -- the zone is the host's
    except ValueError:
        raise errors.BadRequest('a moment is "2026-12-01 09:00"', metadata={"field": "at"}) from None


def _exists(wall: datetime, zone: tzinfo) -> bool:
    local = wall.replace(tzinfo=zone)
    return local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


def _local(at_ms: int, zone: tzinfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)


def _ms(at: datetime) -> int:
    return (at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
