"""The zone of this computer's clock, whatever TZ says: the schedule and the agents go by the same one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from dispatch_host.agents.builtin import zone as assistants
from dispatch_host.schedule import zone as schedules


@pytest.fixture
def tz(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Have this process be on a computer with this TZ."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def offset(zone: tzinfo) -> timedelta | None:
    return datetime.now(zone).utcoffset()


@pytest.mark.parametrize(
    "tz", ["Europe/Berlin", ":Europe/Berlin", "CET-1CEST", "UTC0", "EST5", "Nowhere/At"], indirect=True
)
def test_the_schedule_and_the_assistant_know_the_zone_that_the_computer_is_in(tz: str) -> None:
    shown = datetime.now(UTC).astimezone().utcoffset()

    assert offset(schedules.local_zone()) == shown
    assert offset(assistants.local_zone(tz)) == shown
