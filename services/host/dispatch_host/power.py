"""Notices that the computer goes to sleep, woke up, or stood still. Called by the app, which says it to the relay and the runner.

Two watches: logind's signal before and after sleep, where there is one, and the gap between two ticks of a clock that runs
during sleep, which also shows a process that was frozen. Other platforms' own signals are not watched yet; the gap is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

TICK_SECONDS = 1.0

_LOG = get_logger()


class SleepWatch(Protocol):
    """Tells of sleep where the system tells."""

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        """Call back before each sleep and after it, until cancelled. Returns at once where nothing can be known."""


class NoSleepWatch:
    """A system that tells nothing."""

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        del falling_asleep, awake


class LogindWatch:
    """Linux with systemd: PrepareForSleep on the system bus."""

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        from jeepney import MatchRule, message_bus  # noqa: PLC0415 -- installed on Linux only
        from jeepney.io.asyncio import Proxy, open_dbus_router  # noqa: PLC0415 -- as above

        rule = MatchRule(
            type="signal",
            sender="org.freedesktop.login1",
            interface="org.freedesktop.login1.Manager",
            member="PrepareForSleep",
            path="/org/freedesktop/login1",
        )
        try:
            async with open_dbus_router(bus="SYSTEM") as router:
                await Proxy(message_bus, router).AddMatch(rule)
                _LOG.info("watching for sleep", how="logind")
                with router.filter(rule, bufsize=16) as signals:
                    while True:
                        message = await signals.get()
                        (falling_asleep if message.body[0] else awake)()
        except (OSError, KeyError, ValueError, asyncio.QueueEmpty) as failure:
            # No bus, or none that lets us in: containers, servers without systemd. The gap still tells afterwards.
            _LOG.info("sleep is not announced here", cause=type(failure).__name__)


def best_sleep_watch() -> SleepWatch:
    """Choose what this system has."""
    return LogindWatch() if sys.platform == "linux" else NoSleepWatch()


async def watch_gap(clock: Clock, *, pause_seconds: float, paused: Callable[[float], None]) -> None:
    """Call back with the seconds after every pause that was longer than the limit; runs until cancelled."""
    last_ms = clock.boot_ms()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now_ms = clock.boot_ms()
        gap_seconds = (now_ms - last_ms) / 1000 - TICK_SECONDS
        if gap_seconds > pause_seconds:
            paused(gap_seconds)
        last_ms = now_ms
