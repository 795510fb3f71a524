"""Sleep: the relay is told before and after, a task that lay still too long is interrupted, a shorter pause is named."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Condition, Outcome
from dispatch_host.agents import Result
from dispatch_host.power.logind import LogindWatch
from dispatch_host.power.sleep import Heard, watch_always

from tests.support.host_bench import Bench
from tests.support.power_end import Logind, Sleeper, Stranger, is_let_go, needs_bus, private_bus
from tests.support.waiting import DEADLINE_SECONDS


async def test_the_relay_is_told_before_sleep_and_after_it(tmp_path: Path) -> None:
    sleeper = Sleeper()
    async with Bench(tmp_path, sleep=sleeper) as bench:
        await bench.ready()

        sleeper.heard.falling_asleep()
        asleep = await bench.relay.frame("notice")
        sleeper.heard.awake()
        awake = await bench.relay.frame("notice", count=2)

        assert asleep.notice.condition == Condition.CONDITION_ASLEEP
        assert awake.notice.condition == Condition.CONDITION_AWAKE


async def test_before_shutdown_the_task_is_interrupted_and_the_relay_hears_goodbye(tmp_path: Path) -> None:
    sleeper = Sleeper()
    async with Bench(tmp_path, sleep=sleeper) as bench:
        await bench.ready()
        sent = await bench.phone.sends("works")
        await bench.phone.sees(sent.task_id, "started")

        sleeper.heard.shutting_down()
        ended = await bench.phone.sees_end(sent.task_id)
        closed = await bench.relay.frame("notice")
        await bench.relay.frame("bye")
        await bench.ended()

        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_STOPPED)
        assert closed.notice.condition == Condition.CONDITION_APP_CLOSED


async def test_a_task_that_slept_too_long_is_interrupted_and_the_phone_hears_for_how_long(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("sleeps")
        await bench.phone.sees(sent.task_id, "started")
        await bench.until(lambda: bench.agent.runs)

        bench.clock.ahead_ms += 11 * 60_000
        ended = await bench.phone.sees_end(sent.task_id)

        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_SLEPT)
        assert ended.text == "The computer slept for 11 min."
        assert bench.agent.closed == ["sleeps"]


async def test_a_task_that_slept_for_a_while_says_so_and_goes_on(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("dozes")
        await bench.phone.sees(sent.task_id, "started")

        bench.clock.ahead_ms += 3 * 60_000
        step = await bench.phone.sees(sent.task_id, "step")
        bench.agent.says("dozes", Result("slept well"))
        ended = await bench.phone.sees_end(sent.task_id)

        assert step.step.title == "The computer slept for 3 min."
        assert ended.outcome == Outcome.OUTCOME_DONE


async def test_after_sleep_the_host_opens_its_stream_anew_because_the_old_one_may_lead_nowhere(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        bench.clock.ahead_ms += 60_000
        await bench.relay.until(lambda: len(bench.relay.opens) >= 2)

        assert bench.relay.hellos[0].instance == bench.relay.hellos[1].instance


def _heard_by(names: asyncio.Queue[str]) -> Heard:
    def put(name: str) -> Callable[[], None]:
        return lambda: names.put_nowait(name)

    return Heard(falling_asleep=put("asleep"), awake=put("awake"), shutting_down=put("shutdown"))


async def _next(names: asyncio.Queue[str]) -> str:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await names.get()


@needs_bus
async def test_logind_s_signals_are_heard_and_sleep_waits_for_the_notice(tmp_path: Path) -> None:
    heard = asyncio.Queue[str]()
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        watching = asyncio.create_task(LogindWatch(bus).watch(_heard_by(heard)))
        lock = await logind.gives("delay")

        logind.says("PrepareForSleep", True)
        assert await _next(heard) == "asleep"
        await is_let_go(lock)
        logind.says("PrepareForSleep", False)
        assert await _next(heard) == "awake"
        lock = await logind.gives("delay")
        logind.says("PrepareForShutdown", True)
        assert await _next(heard) == "shutdown"

        # Only the host's own end lets a shutdown go on.
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await is_let_go(lock)
    assert logind.asked == [["sleep:shutdown", "Dispatch", "Tell the phone", "delay"]] * 2


@needs_bus
async def test_a_shutdown_waits_until_the_host_has_said_goodbye(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        async with Bench(tmp_path, sleep=LogindWatch(bus)) as bench:
            await bench.ready()
            lock = await logind.gives("delay")

            logind.says("PrepareForShutdown", True)
            await is_let_go(lock)

            assert (await bench.relay.frame("notice")).notice.condition == Condition.CONDITION_APP_CLOSED
            await bench.relay.frame("bye")
            await bench.ended()


@needs_bus
async def test_when_logind_restarts_sleep_is_held_back_again(tmp_path: Path) -> None:
    heard = asyncio.Queue[str]()
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        watching = asyncio.create_task(LogindWatch(bus, again_seconds=0.1).watch(_heard_by(heard)))
        lock = await logind.gives("delay")

        os.close(lock)
        lock = await logind.gives("delay")
        logind.says("PrepareForSleep", True)

        assert await _next(heard) == "asleep"
        await is_let_go(lock)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def watched(bus: str) -> AsyncIterator[asyncio.Queue[str]]:
    """Watch this bus; gives what is heard. Looks for a bus that went away at once."""
    heard = asyncio.Queue[str]()
    watching = asyncio.create_task(LogindWatch(bus, again_seconds=0.1).watch(_heard_by(heard)))
    try:
        yield heard
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@needs_bus
async def test_what_another_user_says_in_logind_s_name_counts_for_nothing(tmp_path: Path) -> None:
    """Everybody may send a signal on the system bus, to all or to one."""
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        async with watched(bus) as heard:
            lock = await logind.gives("delay")

            with contextlib.closing(Stranger(bus)) as stranger:
                for _ in range(2):
                    stranger.says("PrepareForSleep", True)
                    stranger.says("PrepareForShutdown", True)
                    stranger.says("PrepareForSleep")
                    stranger.says_that_it_is_logind()
                stranger.is_through()
            logind.says("PrepareForSleep", True)
            logind.says("PrepareForSleep", False)

            assert [await _next(heard), await _next(heard)] == ["asleep", "awake"]
            await is_let_go(lock)


@needs_bus
async def test_words_of_logind_s_that_nobody_understands_change_nothing(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        async with watched(bus) as heard:
            lock = await logind.gives("delay")

            for body in ((), ("yes",), (True, True), (1,)):
                logind.says("PrepareForSleep", *body)
                logind.says("PrepareForShutdown", *body)
            logind.says("SessionNew", True)
            logind.says("PrepareForSleep", True)
            logind.says("PrepareForSleep", False)

            assert [await _next(heard), await _next(heard)] == ["asleep", "awake"]
            await is_let_go(lock)


@needs_bus
async def test_the_next_logind_is_believed_and_the_one_before_it_no_longer(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        before = Logind(bus)
        await before.comes()
        async with watched(bus) as heard:
            os.close(await before.gives("delay"))
            before.goes()
            now = Logind(bus)
            await now.comes()
            await now.gives("delay")

            before.says("PrepareForShutdown", True)
            now.says("PrepareForSleep", True)

            assert await _next(heard) == "asleep"
            assert heard.empty()


@needs_bus
async def test_a_logind_that_ends_during_sleep_leaves_nobody_asleep(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        async with watched(bus) as heard:
            lock = await logind.gives("delay")
            logind.says("PrepareForSleep", True)
            assert await _next(heard) == "asleep"
            await is_let_go(lock)

            logind.goes()

            assert await _next(heard) == "awake"


@needs_bus
async def test_a_bus_that_ends_during_sleep_leaves_nobody_asleep(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        bus = await stack.enter_async_context(private_bus(tmp_path))
        logind = Logind(bus)
        await logind.comes()
        async with watched(bus) as heard:
            lock = await logind.gives("delay")
            logind.says("PrepareForSleep", True)
            assert await _next(heard) == "asleep"
            await is_let_go(lock)

            await stack.aclose()

            assert await _next(heard) == "awake"


async def test_a_watch_that_breaks_begins_anew_and_leaves_nobody_asleep() -> None:
    class BreaksAsleep(Sleeper):
        times = 0

        async def watch(self, heard: Heard) -> None:
            self.times += 1
            if self.times == 1:
                heard.falling_asleep()
            if self.times < 3:
                raise RuntimeError("a defect of a library")
            heard.shutting_down()
            await super().watch(heard)

    heard, failures = asyncio.Queue[str](), list[int]()
    watching = asyncio.create_task(
        watch_always(BreaksAsleep(), _heard_by(heard), failed=lambda: failures.append(1), again_seconds=0)
    )

    assert [await _next(heard) for _ in range(3)] == ["asleep", "awake", "shutdown"]
    assert len(failures) == 2
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_without_a_bus_the_watch_says_so_and_ends(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await LogindWatch(f"unix:path={tmp_path}/none").watch(_heard_by(asyncio.Queue()))
