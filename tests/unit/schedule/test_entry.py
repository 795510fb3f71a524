"""What is to be done about an entry at a moment: run it, hold it, tell what was missed. A clock moved by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch_host.schedule.entry import Deal, Entry, Hold, Rest, Run, Tell, look, task_id_of
from dispatch_host.schedule.missed import Missed
from dispatch_host.schedule.times import Times
from hypothesis import given
from hypothesis import strategies as st

MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_800_014_400_000  # 2027-01-15 12:00 UTC
FREE = Reason.REASON_UNSPECIFIED
BUSY = Reason.REASON_RUN_OVERTAKEN
FULL = Reason.REASON_QUEUE_FULL
GONE = Reason.REASON_RUN_MISSED

HOURLY = Entry(
    schedule_id=b"e" * 16, thread=1, text="look", times=Times(cron="0 * * * *"), made_at_ms=NOON, dealt_ms=NOON
)
ONCE = replace(HOURLY, missed=Missed.ONCE)


def at(entry: Entry, hours: float, hindered: Reason.ValueType = FREE) -> Rest | Hold | Deal:
    return look(entry, now_ms=NOON + round(hours * HOUR), zone=UTC, hindered=hindered)


def test_before_its_time_it_rests() -> None:
    assert at(HOURLY, 0.5) == Rest(NOON + HOUR)
    assert at(replace(HOURLY, paused=True), 10) == Rest(None)


@pytest.mark.parametrize("entry", [HOURLY, ONCE])
@pytest.mark.parametrize("late_ms", [0, MINUTE])
def test_what_is_due_up_to_a_minute_ago_is_run(entry: Entry, late_ms: int) -> None:
    assert at(entry, 1 + late_ms / HOUR) == Deal(until_ms=NOON + HOUR, run=Run(due_ms=NOON + HOUR))


def test_what_was_missed_is_told_or_run_once() -> None:
    assert at(HOURLY, 3.5) == Deal(
        until_ms=NOON + 3 * HOUR, tell=Tell(from_ms=NOON + HOUR, to_ms=NOON + 3 * HOUR, count=3, why=GONE)
    )
    assert at(ONCE, 3.5) == Deal(until_ms=NOON + 3 * HOUR, run=Run(due_ms=NOON + 3 * HOUR, late=True, instead_of=2))


def test_back_in_time_for_the_newest_that_one_is_run_and_the_others_told() -> None:
    assert at(HOURLY, 3) == Deal(
        until_ms=NOON + 3 * HOUR,
        run=Run(due_ms=NOON + 3 * HOUR),
        tell=Tell(from_ms=NOON + HOUR, to_ms=NOON + 2 * HOUR, count=2, why=GONE),
    )
    assert at(ONCE, 3) == Deal(until_ms=NOON + 3 * HOUR, run=Run(due_ms=NOON + 3 * HOUR, instead_of=2))


def test_what_can_not_begin_is_held_and_told_with_its_own_reason_afterwards() -> None:
    assert at(HOURLY, 1, BUSY) == Hold(BUSY)
    assert at(HOURLY, 5, BUSY) == Hold(BUSY)
    assert at(replace(HOURLY, held=FULL), 1.01) == Deal(until_ms=NOON + HOUR, run=Run(due_ms=NOON + HOUR))
    after = at(replace(HOURLY, held=BUSY), 1.5)
    assert isinstance(after, Deal)
    assert after.tell == Tell(from_ms=NOON + HOUR, to_ms=NOON + HOUR, count=1, why=BUSY)


def test_what_came_due_while_the_run_before_asked_is_missed_however_lately() -> None:
    assert at(replace(HOURLY, held=BUSY), 1.01) == Deal(
        until_ms=NOON + HOUR, tell=Tell(from_ms=NOON + HOUR, to_ms=NOON + HOUR, count=1, why=BUSY)
    )
    assert at(replace(ONCE, held=BUSY), 1.01) == Deal(until_ms=NOON + HOUR, run=Run(due_ms=NOON + HOUR))


def test_a_clock_set_back_a_little_waits_and_one_set_back_far_goes_on_from_there() -> None:
    dealt = replace(HOURLY, dealt_ms=NOON + 5 * HOUR)

    assert at(dealt, 1) == Rest(NOON + 6 * HOUR)
    assert at(dealt, -24) == Deal(until_ms=NOON - 24 * HOUR)


def test_one_moment_is_over_when_it_was_dealt_with() -> None:
    entry = replace(HOURLY, times=Times(at="2027-01-15 13:00"))

    assert at(entry, 1) == Deal(until_ms=NOON + HOUR, run=Run(due_ms=NOON + HOUR))
    assert at(replace(entry, dealt_ms=NOON + HOUR), 2) == Rest(None)
    assert at(replace(entry, dealt_ms=NOON + HOUR), 0.5) == Rest(None)


def test_each_due_time_has_an_id_of_its_own() -> None:
    ids = {task_id_of(entry, NOON + due) for entry in (b"a" * 16, b"b" * 16) for due in (0, MINUTE)}

    assert len(ids) == 4
    assert task_id_of(b"a" * 16, NOON) == task_id_of(b"a" * 16, NOON)


@given(
    moves=st.lists(st.tuples(st.integers(-30 * HOUR, 40 * HOUR), st.booleans()), max_size=30),
    missed=st.sampled_from(Missed),
)
def test_however_the_clock_moves_no_due_time_is_run_twice(moves: list[tuple[int, bool]], missed: Missed) -> None:
    """The journal refuses a second task of the same id; what is left to show is that hardly any is asked for, and all is told."""
    entry, now_ms, ran, furthest = replace(HOURLY, missed=missed), NOON, set(), NOON
    for leap, busy in moves:
        now_ms = max(NOON, now_ms + leap)
        for _ in range(4):
            found = look(entry, now_ms=now_ms, zone=UTC, hindered=BUSY if busy else FREE)
            if not isinstance(found, Deal):
                break
            if found.run is not None:
                assert found.run.due_ms <= now_ms
                assert found.run.due_ms not in ran or now_ms < furthest - 2 * HOUR
                ran.add(found.run.due_ms)
            entry = replace(entry, dealt_ms=found.until_ms)
        else:
            raise AssertionError("it never comes to rest")
        furthest = max(furthest, now_ms)
