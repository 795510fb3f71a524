"""When something is due, where clocks change and where they do not; and what a person may not write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dispatch import errors
from dispatch_host.schedule.times import MOST_COUNTED, Times, checked, due_between, first_after
from hypothesis import given
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")  # 2026-03-29 02:00 to 03:00 does not exist, 2026-10-25 02:00 to 03:00 comes twice
SYDNEY = ZoneInfo("Australia/Sydney")
HALF = ZoneInfo("Australia/Lord_Howe")  # half an hour


def ms(text: str, zone: ZoneInfo = BERLIN, *, fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp() * 1000)


def run_times(cron: str, start: str, end: str, zone: ZoneInfo = BERLIN) -> list[str]:
    """List the times of a span as the scheduler meets them, one after the other, in universal time."""
    at, until, found = ms(start, zone), ms(end, zone), []
    while (following := first_after(Times(cron=cron), at, zone)) is not None and following <= until:
        assert following > at
        at = following
        found.append(datetime.fromtimestamp(at / 1000, UTC).strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("cron", "start", "end", "utc"),
    [
        # 8 o'clock stays 8 o'clock: 07:00 in universal time in winter, 06:00 in summer.
        ("0 8 * * *", "2026-03-28T00:00", "2026-03-30T00:00", ["28 07:00", "29 06:00"]),
        # An hour is left out: what stands in it runs right behind it, once.
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", ["29 01:00", "30 00:30"]),
        ("0,30 2 * * *", "2026-03-28T12:00", "2026-03-29T12:00", ["29 01:00"]),
        # In each hour: there is no such time, and nothing is made up for.
        ("30 * * * *", "2026-03-29T01:00", "2026-03-29T04:00", ["29 00:30", "29 01:30"]),
        ("*/30 2 * * *", "2026-03-28T12:00", "2026-03-29T12:00", []),
        # An hour comes twice: at a given hour the first time only, in each hour both times.
        ("30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00", ["25 00:30", "26 01:30"]),
        ("30 * * * *", "2026-10-25T01:40", "2026-10-25T04:00", ["25 00:30", "25 01:30", "25 02:30"]),
        ("*/30 2 * * *", "2026-10-24T12:00", "2026-10-25T12:00", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
    ],
)
def test_clock_changes_are_met_as_cron_meets_them(cron: str, start: str, end: str, utc: list[str]) -> None:
    assert run_times(cron, start, end) == utc


def test_in_the_hour_that_comes_twice_nothing_comes_twice() -> None:
    """Looked at in the second of the two hours, the first is over."""
    second = ms("2026-10-25T02:10", fold=1)

    following = first_after(Times(cron="30 2 * * *"), second, BERLIN)

    assert following == ms("2026-10-26T02:30")


def test_half_an_hour_changes_too() -> None:
    assert run_times("15 2 * * *", "2026-10-03T12:00", "2026-10-05T12:00", HALF) == ["03 15:30", "04 15:15"]


def test_one_moment_is_due_once() -> None:
    times = Times(at="2026-12-01 09:00")

    assert first_after(times, ms("2026-11-30T00:00"), BERLIN) == ms("2026-12-01T09:00")
    assert first_after(times, ms("2026-12-01T09:00"), BERLIN) is None
    assert due_between(times, 0, ms("2027-01-01T00:00"), BERLIN) is not None
    assert first_after(Times(at="2026-10-25 02:30"), 0, BERLIN) == ms("2026-10-25T02:30", fold=0)


def test_one_moment_moves_with_the_zone() -> None:
    times = Times(at="2026-12-01 09:00")

    assert first_after(times, 0, SYDNEY) == ms("2026-12-01T09:00", SYDNEY)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (Times(at="2026-03-29 02:30"), "no such time"),
        (Times(at="2026-01-01 09:00"), "over"),
        (Times(at="tomorrow"), "2026-12-01 09:00"),
        (Times(at="0000-12-01 09:00"), "2026-12-01 09:00"),
        (Times(cron=""), "five fields"),
        (Times(cron="* * * *"), "five fields"),
        (Times(cron="0 0 8 * * 1-5"), "five fields"),
        (Times(cron="@daily"), "five fields"),
        (Times(cron="0 25 * * *"), "hour"),
        (Times(cron="61 * * * *"), "minute"),
        (Times(cron="*/0 * * * *"), "minute"),
        (Times(cron="5-1 * * * *"), "minute"),
        (Times(cron="0 0 31 2 *"), "day-of-month"),
        (Times(cron="0 0 * * MON#5/2"), "read"),
        (Times(cron=f"{'9' * 200} * * * *"), "minute"),
        (Times(cron=f"0 0 * * {'1,' * 200}1"), "five fields"),
        (Times(cron="* * */20 * 1L"), "never"),
        (Times(cron="٣ * * * *"), "minute"),
    ],
)
def test_what_is_no_time_is_refused_with_what_is_wrong(times: Times, says: str) -> None:
    with pytest.raises(errors.BadRequest, match=says):
        checked(times, now_ms=ms("2026-02-01T00:00"), zone=BERLIN)


def test_what_is_written_is_kept_tidy() -> None:
    now_ms = ms("2026-02-01T00:00")

    assert checked(Times(cron=" 0  8 * * mon-fri "), now_ms=now_ms, zone=BERLIN) == Times(cron="0 8 * * mon-fri")
    assert checked(Times(at="2026-12-01T09:00"), now_ms=now_ms, zone=BERLIN) == Times(at="2026-12-01 09:00")


def test_what_was_due_is_counted_up_to_a_bound_and_the_newest_is_found_all_the_same() -> None:
    start, end = ms("2026-01-01T00:00"), ms("2026-12-31T12:00:30")

    due = due_between(Times(cron="* * * * *"), start, end, BERLIN)

    assert due is not None
    assert due.count == MOST_COUNTED
    assert due.first == ms("2026-01-01T00:01")
    assert (due.before_last, due.last) == (ms("2026-12-31T11:59"), ms("2026-12-31T12:00"))


def test_the_newest_is_found_in_the_hour_that_comes_twice() -> None:
    start = ms("2020-01-01T00:00")
    now_ms = ms("2026-10-25T02:10", fold=1)

    due = due_between(Times(cron="15,45 2 * * *"), start, now_ms, BERLIN)

    assert due is not None
    assert (due.before_last, due.last) == (ms("2026-10-25T02:15"), ms("2026-10-25T02:45"))


@given(
    cron=st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 0 1 * *", "0,30 2,3 * * *", "15 1-4 * * 0", "0 8 * * 1-5"]),
    zone=st.sampled_from([BERLIN, SYDNEY, HALF]),
    start=st.integers(0, 400),
    span=st.integers(1, 72),
)
def test_looked_at_often_or_seldom_the_same_times_are_due(cron: str, zone: ZoneInfo, start: int, span: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=start)
    at = begin_ms = round(begin.timestamp() * 1000)
    end_ms = begin_ms + span * 3_600_000
    one_by_one = []
    while (following := first_after(Times(cron=cron), at, zone)) is not None and following <= end_ms:
        one_by_one.append(at := following)

    due = due_between(Times(cron=cron), begin_ms, end_ms, zone)

    assert (due.count if due else 0) == len(one_by_one)
    assert due is None or (due.first, due.last) == (one_by_one[0], one_by_one[-1])
