"""What a device remembers of how wrong its clock is."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch.device import service_clock
from dispatch.device.home import Home

MINUTE_MS = 60_000


def test_it_is_not_known_before_the_service_has_said_its_time(tmp_path: Path) -> None:
    assert service_clock.off_ms(Home(tmp_path)) is None
    assert service_clock.words(None) == ""


def test_what_was_noted_last_counts_and_small_changes_are_no_news(tmp_path: Path) -> None:
    home = Home(tmp_path)
    service_clock.note(home, server_time_ms=1_000_000, wall_ms=1_000_000 + 5 * MINUTE_MS)
    service_clock.note(home, server_time_ms=1_000_000, wall_ms=1_000_400 + 5 * MINUTE_MS)

    assert service_clock.off_ms(home) == 5 * MINUTE_MS
    service_clock.note(home, server_time_ms=1_000_000, wall_ms=1_000_000)
    assert service_clock.off_ms(home) == 0


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    service_clock.note(home, server_time_ms=0, wall_ms=9)
    (tmp_path / "clock-off").write_text("nine")

    assert service_clock.off_ms(home) is None


@pytest.mark.parametrize(
    ("off_ms", "said"),
    [(0, ""), (119_000, ""), (-119_000, ""), (7 * MINUTE_MS, "7 minutes fast"), (-60 * MINUTE_MS, "60 minutes slow")],
)
def test_a_person_hears_of_it_when_it_matters(off_ms: int, said: str) -> None:
    assert said in service_clock.words(off_ms)
    assert bool(said) == bool(service_clock.words(off_ms))
