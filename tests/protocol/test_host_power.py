"""Sleep: the relay is told before and after, and a task that lay still for too long is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Condition, Outcome
from dispatch_host.power import LogindWatch, watch_gap

from tests.support.host_bench import Bench


class Sleeper:
    """A system whose sleep the test decides on."""

    def __init__(self) -> None:
        self.falls_asleep: Callable[[], None]
        self.wakes: Callable[[], None]

    async def watch(self, falling_asleep: Callable[[], None], awake: Callable[[], None]) -> None:
        self.falls_asleep, self.wakes = falling_asleep, awake
        await asyncio.Event().wait()


async def test_the_relay_is_told_before_sleep_and_after_it(tmp_path: Path) -> None:
    sleeper = Sleeper()
    async with Bench(tmp_path, sleep=sleeper) as bench:
        await bench.ready()

        sleeper.falls_asleep()
        asleep = await bench.relay.frame("notice")
        sleeper.wakes()
        awake = await bench.relay.frame("notice", count=2)

        assert asleep.notice.condition == Condition.CONDITION_ASLEEP
        assert awake.notice.condition == Condition.CONDITION_AWAKE


class JumpingClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def wall_ms(self) -> int:
        return 0

    def steady_ms(self) -> int:
        return 0

    def boot_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000) + self.ahead_ms


async def test_a_long_pause_is_noticed_once_and_a_short_one_is_not() -> None:
    clock, pauses = JumpingClock(), asyncio.Queue[float]()
    watching = asyncio.create_task(watch_gap(clock, pause_seconds=600, paused=pauses.put_nowait))
    await asyncio.sleep(0)
    clock.ahead_ms += 590_000
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(pauses.get(), 1.2)
    clock.ahead_ms += 700_000

    seconds = await asyncio.wait_for(pauses.get(), 20)

    watching.cancel()
    assert 690 < seconds < 720
    assert pauses.empty()


async def test_a_task_that_slept_too_long_is_interrupted(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("sleeps")
        await bench.phone.sees(sent.task_id, "started")

        bench.clock.ahead_ms += 11 * 60_000
        ended = await bench.phone.sees_end(sent.task_id)

        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_SLEPT)
        assert bench.agent.closed == ["sleeps"]


@contextlib.asynccontextmanager
async def private_bus(folder: Path) -> AsyncIterator[str]:
    """Run a message bus that only this test is on; gives its address."""
    config = folder / "bus.conf"
    config.write_text(
        f"<busconfig><type>session</type><listen>unix:path={folder}/bus</listen>"
        '<policy context="default"><allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/></policy>'
        "</busconfig>"
    )
    process = await asyncio.create_subprocess_exec(
        "dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


class Logind(threading.Thread):
    """As much of logind as the watch needs: gives the delay lock, says when it sleeps, knows when the lock was let go."""

    def __init__(self, bus: str) -> None:
        super().__init__(daemon=True)
        self.asked: list[Any] = []
        self.there = threading.Event()
        self.watched = threading.Event()
        self._bus = bus
        self._lock_end = -1
        self._connection: Any = None
        self.start()

    def run(self) -> None:
        import jeepney
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(bus=self._bus, enable_fds=True) as connection:
            connection.send_and_get_reply(jeepney.message_bus.RequestName("org.freedesktop.login1"))
            self._connection = connection
            self.there.set()
            with contextlib.suppress(Exception):
                while True:
                    message = connection.receive()
                    if message.header.fields.get(jeepney.HeaderFields.member) == "Inhibit":
                        self.asked.append(message.body)
                        self._lock_end, given = os.pipe()
                        connection.send(jeepney.new_method_return(message, "h", (given,)))
                        os.close(given)
                        self.watched.set()

    def says(self, sleeping: bool) -> None:
        import jeepney

        manager = jeepney.DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
        self._connection.send(jeepney.new_signal(manager, "PrepareForSleep", "b", (sleeping,)))

    def lock_is_let_go(self) -> None:
        """Wait until the other end of the lock is closed everywhere."""
        assert os.read(self._lock_end, 1) == b""
        os.close(self._lock_end)


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("dbus-daemon"), reason="needs dbus-daemon")
async def test_logind_s_signal_is_heard_and_sleep_waits_for_the_notice(tmp_path: Path) -> None:
    heard = asyncio.Queue[str]()
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        assert await asyncio.to_thread(logind.there.wait, 20)
        watching = asyncio.create_task(
            LogindWatch(bus).watch(lambda: heard.put_nowait("asleep"), lambda: heard.put_nowait("awake"))
        )
        assert await asyncio.to_thread(logind.watched.wait, 20)
        logind.watched.clear()

        logind.says(True)
        assert await asyncio.wait_for(heard.get(), 20) == "asleep"
        await asyncio.wait_for(asyncio.to_thread(logind.lock_is_let_go), 20)
        logind.says(False)
        assert await asyncio.wait_for(heard.get(), 20) == "awake"
        assert await asyncio.to_thread(logind.watched.wait, 20)

        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await asyncio.wait_for(asyncio.to_thread(logind.lock_is_let_go), 20)
    assert [list(asked) for asked in logind.asked] == [["sleep", "Dispatch", "Tell the phone", "delay"]] * 2


async def test_without_a_bus_the_watch_says_so_and_ends(tmp_path: Path) -> None:
    await asyncio.wait_for(LogindWatch(f"unix:path={tmp_path}/none").watch(lambda: None, lambda: None), 20)
