"""What times a person means: "since yesterday", "in the last 2 hours", "between Monday and Wednesday".

Pure: `now` is an argument, and its zone is the person's. Called by parse.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dispatch_host.agents.builtin.vocabulary import NUMBERS, listed

_MONTHS = listed("january february march april may june july august september october november december")
_DAYS = listed("monday tuesday wednesday thursday friday saturday sunday")
_NUMBER = r"(?:\d{1,5}|an?|few|couple of|couple|" + "|".join(NUMBERS) + ")"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|h|d)"
_MONTH = r"(?:" + "|".join(f"{month[:3]}(?:{month[3:]})?" if month != "may" else "may" for month in _MONTHS) + "|sept)"
_DAY = r"(?:" + "|".join(f"{day[:3]}(?:{day[3:]})?" for day in _DAYS) + "|tues|wednes|thur|thurs)"
_CLOCK = r"(?:\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?|\d{1,2} ?[ap]m|noon|midday|midnight)"
_POINT = (
    r"(?:"
    rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:(?:t| | at )\d{{1,2}}:\d{{2}}(?::\d{{2}})?)?"
    rf"|\d{{4}}-\d{{2}}(?!\d)"
    rf"|(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\.?(?:,? \d{{4}})?"
    rf"|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?(?!\d)(?:,? \d{{4}})?"
    rf"|{_MONTH}(?: \d{{4}})?(?![a-z])"
    rf"|(?:today|yesterday|tomorrow|the day before yesterday)(?: (?:at )?{_CLOCK})?"
    rf"|this (?:morning|afternoon|evening|week|month|year)"
    rf"|(?:yesterday|last) (?:morning|afternoon|evening|night)"
    rf"|(?:the )?(?:last|previous) (?:week|month|year)(?!end)"
    rf"|(?:(?:this|last|on) )?{_DAY}(?![a-z])(?: (?:at )?{_CLOCK})?"
    rf"|{_NUMBER} {_UNIT} ago"
    rf"|{_CLOCK}(?: today)?"
    rf"|(?:19|20)\d{{2}}(?![\d-])"
    r")"
)
_FLAGS = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (included) to `until` (left out); None is open."""

    since: datetime | None
    until: datetime | None


_LENGTHS = re.compile(
    (
        rf"\b(?:(?:with)?in|during|over|for|from|since)?\s*(?:the\s+)?(?:last|past|previous"
        rf"|prior)\s+(?:(?P<n>{_NUMBER})\s+)?(?P<unit>{_UNIT})(?![a-z])"
    ),
    _FLAGS,
)
_OLDER = re.compile(
    rf"\b(?:(?:that (?:are|is) |which (?:are|is) )?older than|more than"
    rf"|not (?:been )?(?:changed|modified|touched|opened|edited)(?: in| for| within"
    rf"| since)?(?: the)?(?: last| past)?"
    rf"|(?:have ?n[o']t|has ?n[o']t|have not|has not|did ?n'?t|not) (?:been )?(?:changed"
    rf"|modified|touched|edited|change)(?: in| for| within)?(?: the)?(?: last| past)?"
    rf"|untouched (?:in|for)(?: the)?(?: last| past)?)"
    rf"\s+(?P<n>{_NUMBER})\s+(?P<unit>{_UNIT})(?:\s+(?:ago|old))?(?![a-z])",
    _FLAGS,
)
_YOUNGER = re.compile(
    rf"\b(?:newer|younger|less) than\s+(?P<n>{_NUMBER})\s+(?P<unit>{_UNIT})(?:\s+(?:ago|old))?(?![a-z])", _FLAGS
)
_BETWEEN = re.compile(
    rf"\b(?:between|from)\s+(?P<first>{_POINT})\s+(?:and|to|until|till|through)\s+(?P<second>{_POINT})", _FLAGS
)
_SINCE = re.compile(
    rf"\b(?:(?:ever )?since|after|starting(?: from)?|newer than|later than|as of)\s+(?P<point>{_POINT})(?:\s+on)?",
    _FLAGS,
)
_BEFORE = re.compile(rf"\b(?:before|older than|until|till|prior to|earlier than)\s+(?P<point>{_POINT})", _FLAGS)
_IN = re.compile(rf"\b(?:(?:on|in|during|at|of|from)\s+)?(?P<point>{_POINT})", _FLAGS)
_RELATIVE = re.compile(r"today|yesterday|this|last|ago|previous|" + _DAY, _FLAGS)


def find(text: str, now: datetime) -> tuple[Span, str] | None:
    """Find the one time in a text; return it and the text without it, None when there is none."""
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Span | None]], ...] = (
        (_OLDER, lambda match: Span(None, _back(now, match["n"], match["unit"]))),
        (_YOUNGER, lambda match: Span(_back(now, match["n"], match["unit"]), None)),
        (_BETWEEN, lambda match: _between(match["first"], match["second"], now)),
        (_SINCE, lambda match: _open(point(match["point"], now))),
        (_BEFORE, lambda match: _until(point(match["point"], now))),
        (_LENGTHS, lambda match: _length(match, now)),
        (_IN, lambda match: _inside(match, now)),
    )
    for pattern, read in readers:
        for match in pattern.finditer(text):
            span = read(match)
            if span is not None:
                return span, f"{text[: match.start()]} · {text[match.end() :]}"
    return None


def _length(match: re.Match[str], now: datetime) -> Span | None:
    """`the last week` without a number is the calendar's only after a preposition like `in`; `last week` is a point."""
    said = match[0].strip()
    if match["n"] is None and re.match(r"(?:from )?(?:last|previous)\b", said, _FLAGS):
        span = point(re.sub(r"^from ", "", said, flags=_FLAGS), now)
        if span is not None:
            return span
    return Span(_back(now, match["n"] or "1", match["unit"]), None)


def _inside(match: re.Match[str], now: datetime) -> Span | None:
    """A bare time: only where it can't be a name or a number of something else."""
    said = match["point"]
    bare = match[0].strip() == said
    if bare and not (
        _RELATIVE.search(said) or re.search(r"\d{4}-\d|\d{1,2}(?:st|nd|rd|th)? [a-z]|[a-z] \d", said, _FLAGS)
    ):
        return None
    if bare and re.fullmatch(rf"{_DAY}|may|mar|sun|sat", said, _FLAGS):
        return None
    return point(said, now)


def point(said: str, now: datetime) -> Span | None:
    """Read one time as the span of its own size: a day, an hour, a month; None for what is no time (31 February)."""
    said = re.sub(r"\s+", " ", said.strip().casefold())
    said = re.sub(r"^(?:the|on) ", "", said)
    for pattern, read in _READERS:
        match = re.fullmatch(pattern, said)
        if match:
            try:
                return read(match, now)
            except (ValueError, OverflowError):
                return None
    return None


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> Span:
    start = _midnight(moment)
    return Span(start, start + timedelta(days=1))


def _month(moment: datetime) -> Span:
    start = _midnight(moment).replace(day=1)
    return Span(start, (start + timedelta(days=32)).replace(day=1))


def _year(moment: datetime) -> Span:
    start = _midnight(moment).replace(month=1, day=1)
    return Span(start, start.replace(year=start.year + 1))


def _iso(match: re.Match[str], now: datetime) -> Span:
    start = _midnight(now).replace(year=int(match[1]), month=int(match[2]), day=int(match[3]))
    if match[4] is None:
        return _day(start)
    start = start.replace(hour=int(match[4]), minute=int(match[5]), second=int(match[6] or 0))
    return Span(start, start + timedelta(minutes=1))


def _of_month(month: str) -> int:
    return next(number for number, name in enumerate(_MONTHS, start=1) if name.startswith(month[:3]))


def _calendar(day: str | None, month: str, year: str | None, now: datetime) -> Span:
    start = _midnight(now).replace(day=1, month=_of_month(month))
    if year:
        start = start.replace(year=int(year))
    if day:
        start = start.replace(day=int(day))
    if not year and start > now:  # "since December", said in November: the one that was
        start = start.replace(year=start.year - 1)
    return _day(start) if day else _month(start)


def _clock(said: str | None, day: datetime) -> Span:
    if not said:
        return _day(day)
    if said in ("noon", "midday"):
        start = _midnight(day).replace(hour=12)
    elif said == "midnight":
        start = _midnight(day)
    else:
        match = re.fullmatch(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))? ?([ap]m)?", said)
        if match is None:
            raise ValueError(said)
        hour = int(match[1])
        if match[4]:
            if not 1 <= hour <= 12:
                raise ValueError(said)
            hour = hour % 12 + (12 if match[4] == "pm" else 0)
        start = _midnight(day).replace(hour=hour, minute=int(match[2] or 0), second=int(match[3] or 0))
    return Span(start, start + timedelta(hours=1))


def _weekday(match: re.Match[str], now: datetime) -> Span:
    number = next(index for index, name in enumerate(_DAYS) if name.startswith(match["day"][:3]))
    back = (now.weekday() - number) % 7
    if match["which"] == "last" and back == 0:
        back = 7
    return _clock(match["clock"], _midnight(now) - timedelta(days=back))


def _named(match: re.Match[str], now: datetime) -> Span:
    back = {"today": 0, "yesterday": 1, "tomorrow": -1, "day before yesterday": 2}[match[1]]
    return _clock(match["clock"], now - timedelta(days=back))


def _part_of_day(match: re.Match[str], now: datetime) -> Span:
    day = _midnight(now) - timedelta(days=0 if match[1] == "this" else 1)
    first, last = {"morning": (0, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30)}[match[2]]
    return Span(day + timedelta(hours=first), day + timedelta(hours=last))


def _around(match: re.Match[str], now: datetime) -> Span:
    """Read this or last week, month or year; a week starts on Monday."""
    earlier = match[1] != "this"
    if match[2] == "week":
        start = _midnight(now) - timedelta(days=now.weekday() + (7 if earlier else 0))
        return Span(start, start + timedelta(days=7))
    if match[2] == "month":
        this = _month(now)
        assert this.since is not None  # noqa: S101  a month starts
        return _month(this.since - timedelta(days=1)) if earlier else this
    return _year(now.replace(year=now.year - 1, day=1)) if earlier else _year(now)


def _ago(match: re.Match[str], now: datetime) -> Span:
    start = _back(now, match["n"], match["unit"])
    if match["unit"][0] in "dwy" or match["unit"].startswith("mo"):
        return _day(start)
    return Span(start, start + timedelta(hours=1))


def _back(now: datetime, number: str, unit: str) -> datetime:
    """Go back from now: hours and less by the clock, days and more by the calendar."""
    number = number.casefold()
    count = (
        int(number) if number.isdigit() else {"a": 1, "an": 1, "few": 3, "couple of": 2}.get(number) or NUMBERS[number]
    )
    unit = unit.casefold()
    try:
        if unit.startswith("mo"):
            months = now.year * 12 + now.month - 1 - count
            first = now.replace(year=months // 12, month=months % 12 + 1, day=1)
            last_day = ((first + timedelta(days=32)).replace(day=1) - timedelta(days=1)).day
            return first.replace(day=min(now.day, last_day))
        if unit.startswith("y"):
            return _back(now, str(12 * count), "months")
        if unit[0] in "dw":
            return now - timedelta(days=count * (7 if unit[0] == "w" else 1))
        seconds = {"s": 1, "m": 60, "h": 3600}[unit[0]]
        return (now.astimezone(UTC) - timedelta(seconds=count * seconds)).astimezone(now.tzinfo)
    except (ValueError, OverflowError):  # "in the last 9000 years"
        return datetime(1970, 1, 1, tzinfo=now.tzinfo)


def _open(span: Span | None) -> Span | None:
    return Span(span.since, None) if span else None


def _until(span: Span | None) -> Span | None:
    return Span(None, span.since) if span else None


def _between(first: str, second: str, now: datetime) -> Span | None:
    start, end = point(first, now), point(second, now)
    if start is None or end is None:
        return None
    return Span(start.since, end.until)


_OPTIONAL_CLOCK = rf"(?: (?:at )?(?P<clock>{_CLOCK}))?"
_READERS: tuple[tuple[str, Callable[[re.Match[str], datetime], Span]], ...] = (
    (r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:(?:t| | at )(\d{1,2}):(\d{2})(?::(\d{2}))?)?", _iso),
    (r"(\d{4})-(\d{2})", lambda m, now: _month(_midnight(now).replace(year=int(m[1]), month=int(m[2]), day=1))),
    (
        rf"(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\.?(?:,? (\d{{4}}))?",
        lambda m, now: _calendar(m[1], m[2], m[3], now),
    ),
    (
        rf"({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?",
        lambda m, now: _calendar(m[2], m[1], m[3], now),
    ),
    (rf"({_MONTH})(?: (\d{{4}}))?", lambda m, now: _calendar(None, m[1], m[2], now)),
    (rf"(today|yesterday|tomorrow|day before yesterday){_OPTIONAL_CLOCK}", _named),
    (r"(this|yesterday|last) (morning|afternoon|evening|night)", _part_of_day),
    (r"(this|last|previous) (week|month|year)", _around),
    (rf"(?:(?P<which>this|last|on) )?(?P<day>{_DAY}){_OPTIONAL_CLOCK}", _weekday),
    (rf"(?P<n>{_NUMBER}) (?P<unit>{_UNIT}) ago", _ago),
    (rf"(?P<clock>{_CLOCK})(?: today)?", lambda m, now: _clock(m["clock"], now)),
    (r"((?:19|20)\d{2})", lambda m, now: _year(_midnight(now).replace(year=int(m[1]), day=1))),
)
