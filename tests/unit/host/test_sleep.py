"""What two clocks show of a pause, and how it is said."""

from __future__ import annotations

import asyncio

import pytest
from dispatch_host.power.sleep import Pause, duration, pause_of, watch_pauses

from tests.support.waiting import DEADLINE_SECONDS


def test_what_only_the_boot_clock_saw_was_sleep() -> None:
    pause = pause_of(boot_ms=721_000, awake_ms=1_000)

    assert pause == Pause(slept_seconds=720, frozen_seconds=0)
    assert pause is not None
    assert pause.words == "The computer slept for 12 min."


def test_what_both_clocks_saw_and_nobody_looked_was_a_process_that_stood_still() -> None:
    pause = pause_of(boot_ms=61_000, awake_ms=61_000)

    assert pause == Pause(slept_seconds=0, frozen_seconds=60)
    assert pause is not None
    assert pause.words == "Dispatch stood still on the computer for 1 min."


@pytest.mark.parametrize(("boot_ms", "awake_ms"), [(1_000, 1_000), (5_900, 1_000), (30_500, 30_500), (900, 1_000)])
def test_a_busy_computer_is_nothing_to_tell(boot_ms: int, awake_ms: int) -> None:
    assert pause_of(boot_ms=boot_ms, awake_ms=awake_ms) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "5 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (90 * 60, "1 h 30 min"),
        (59 * 60 + 40, "1 h"),
        (26 * 3600, "1 day 2 h"),
        (72 * 3600, "3 days"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


class JumpingClock:
    """Clocks that the test sets."""

    def __init__(self) -> None:
        self.boot = 0

    def wall_ms(self) -> int:
        return 0

    def steady_ms(self) -> int:
        return 0

    def boot_ms(self) -> int:
        return self.boot


async def test_a_pause_is_told_once() -> None:
    clock, pauses = JumpingClock(), asyncio.Queue[Pause]()
    watching = asyncio.create_task(watch_pauses(clock, awake_ms=clock.steady_ms, paused=pauses.put_nowait))
    await asyncio.sleep(0)
    clock.boot = 700_000

    async with asyncio.timeout(DEADLINE_SECONDS):
        first = await pauses.get()
        clock.boot += 60_000
        second = await pauses.get()

    watching.cancel()
    assert (first.slept_seconds, second.slept_seconds) == (700, 60)
