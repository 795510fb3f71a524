"""Notices that the computer goes to sleep, woke up, or stood still. Called by the app, which tells the relay and the runner.

Two watches: logind's signal before and after sleep, where there is one, and the gap between two ticks of a clock that runs
during sleep, which also shows a process that was frozen. Other platforms' own signals are not watched yet; the gap is.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

TICK_SECONDS = 1.0
_FAREWELL_SECONDS = 0.5
"""How long the computer is held back from sleeping while the notice leaves."""
_LOOK_SECONDS = 0.25

_LOG = get_logger()


class SleepWatch(Protocol):
    """Tells of sleep where the system tells."""

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        """Call back before each sleep and after it, until cancelled. Returns at once where nothing can be known."""


class NoSleepWatch:
    """A system that tells nothing."""

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        del falling_asleep, awake


@dataclass(frozen=True, slots=True)
class LogindWatch:
    """Linux with systemd: PrepareForSleep, and a lock that delays sleep for as long as the notice takes.

    On a thread of its own: jeepney passes file descriptors, which the lock is, only where it blocks.
    """

    bus: str = "SYSTEM"
    """Which bus; an address in tests."""

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        loop, stop = asyncio.get_running_loop(), threading.Event()

        def tell(sleeping: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(falling_asleep if sleeping else awake)

        listening = loop.run_in_executor(None, self._listen, tell, stop)
        try:
            await asyncio.shield(listening)
        except (OSError, KeyError, ValueError, EOFError) as failure:
            # No bus, or none that lets us in: containers, servers without systemd. The gap still tells afterwards.
            _LOG.info("sleep is not announced here", cause=type(failure).__name__)
        finally:
            stop.set()

    def _listen(self, tell: Callable[[bool], None], stop: threading.Event) -> None:
        import jeepney  # noqa: PLC0415 -- installed on Linux only
        from jeepney.io.blocking import Proxy, open_dbus_connection  # noqa: PLC0415 -- as above

        rule = jeepney.MatchRule(
            type="signal",
            interface="org.freedesktop.login1.Manager",
            member="PrepareForSleep",
            path="/org/freedesktop/login1",
        )
        with open_dbus_connection(bus=self.bus, enable_fds=True) as connection:
            Proxy(jeepney.message_bus, connection, timeout=5).AddMatch(rule)
            with connection.filter(rule, bufsize=16) as signals:
                lock = _delay_sleep(connection)
                _LOG.info("watching for sleep", how="logind", delays=lock is not None)
                while not stop.is_set():
                    try:
                        sleeping = bool(connection.recv_until_filtered(signals, timeout=_LOOK_SECONDS).body[0])
                    except TimeoutError:
                        continue
                    tell(sleeping)
                    if sleeping:
                        time.sleep(_FAREWELL_SECONDS)
                        _release(lock)
                        lock = None
                    elif lock is None:
                        lock = _delay_sleep(connection)
                _release(lock)


def _delay_sleep(connection: Any) -> Any:
    """Take a lock that holds sleep back until it is released; None when the system does not give us one."""
    import jeepney  # noqa: PLC0415 -- as above

    manager = jeepney.DBusAddress(
        "/org/freedesktop/login1", bus_name="org.freedesktop.login1", interface="org.freedesktop.login1.Manager"
    )
    asked = jeepney.new_method_call(manager, "Inhibit", "ssss", ("sleep", "Dispatch", "Tell the phone", "delay"))
    try:
        answer = connection.send_and_get_reply(asked, timeout=5)
    except TimeoutError:
        return None
    return answer.body[0] if answer.header.message_type is jeepney.MessageType.method_return else None


def _release(lock: Any) -> None:
    if lock is not None:
        lock.close()


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
