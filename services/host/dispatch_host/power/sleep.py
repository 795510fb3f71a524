"""What there is to know of sleep: what a system tells before and after it, and what two clocks show when none told.

The pause between two looks says how long the computer slept (only the boot clock went on) and how long the process stood
still (both went on, and nobody looked). Called by the app; systems implement `SleepWatch`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

TICK_SECONDS = 1.0
SLEPT_SECONDS = 5.0
FROZEN_SECONDS = 30.0
"""From when on a pause is worth a word; a process may stand still for a while because the computer is busy."""
AGAIN_SECONDS = 5.0
"""How soon a watch that broke begins anew."""

FAREWELL_SECONDS = 0.5
"""How long the computer is held back from sleeping while the notice leaves. Windows waits for two seconds at most."""

Tell = Callable[[Callable[[], None]], None]
"""Calls one of `Heard` on the event loop, from any thread."""

_LOG = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Whom to call when the system tells. Called on the event loop."""

    falling_asleep: Callable[[], None]
    awake: Callable[[], None]
    shutting_down: Callable[[], None]


class SleepWatch(Protocol):
    """Tells of sleep and shutdown where the system tells."""

    async def watch(self, heard: Heard) -> None:
        """Call back before each sleep, after it, and before shutdown, until cancelled; both are held back while it is said.

        Returns where nothing can be known.
        """


async def watch_always(
    watch: SleepWatch, heard: Heard, *, failed: Callable[[], None], again_seconds: float = AGAIN_SECONDS
) -> None:
    """Watch until cancelled, or until nothing can be known. A watch that breaks ends nothing: it begins anew."""
    asleep = False

    def falling_asleep() -> None:
        nonlocal asleep
        asleep = True
        heard.falling_asleep()

    def awake() -> None:
        nonlocal asleep
        asleep = False
        heard.awake()

    while True:
        try:
            return await watch.watch(replace(heard, falling_asleep=falling_asleep, awake=awake))
        except Exception as failure:
            failed()
            _LOG.error("sleep is not watched", cause=type(failure).__name__, detail=str(failure))
        await asyncio.sleep(again_seconds)
        if asleep:
            awake()  # nobody is left to say it, and we run


def teller(loop: asyncio.AbstractEventLoop) -> Tell:
    """Give what a system's own thread tells by; a loop that has ended hears nothing more."""

    def tell(what: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(what)

    return tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How long nothing happened here."""

    slept_seconds: float
    frozen_seconds: float
    """How long the process stood still while the computer did not."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.slept_seconds + self.frozen_seconds

    @property
    def words(self) -> str:
        """Say it to a person, with how long it was."""
        if self.slept_seconds >= self.frozen_seconds:
            return f"The computer slept for {duration(self.seconds)}."
        return f"Dispatch stood still on the computer for {duration(self.seconds)}."


def pause_of(*, boot_ms: int, awake_ms: int) -> Pause | None:
    """Tell what two looks a tick apart saw, by how far the clock that runs in sleep and the one that does not have moved.

    None when it is not worth a word.
    """
    pause = Pause(
        slept_seconds=max(boot_ms - awake_ms, 0) / 1000, frozen_seconds=max(awake_ms / 1000 - TICK_SECONDS, 0.0)
    )
    noticed = pause.slept_seconds >= SLEPT_SECONDS or pause.frozen_seconds >= FROZEN_SECONDS
    return pause if noticed else None


def duration(seconds: float) -> str:
    """Write a duration as people say it, in its two largest units at most: "45 s", "12 min", "2 h 5 min", "3 days 4 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    day = f"{days} day" if days == 1 else f"{days} days"
    return f"{day} {hours} h" if hours else day


async def watch_pauses(clock: Clock, *, awake_ms: Callable[[], int], paused: Callable[[Pause], None]) -> None:
    """Call back after every pause that is worth a word; runs until cancelled."""
    boot, awake = clock.boot_ms(), awake_ms()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        boot_now, awake_now = clock.boot_ms(), awake_ms()
        if (pause := pause_of(boot_ms=boot_now - boot, awake_ms=awake_now - awake)) is not None:
            paused(pause)
        boot, awake = boot_now, awake_now
