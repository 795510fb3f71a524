"""Keeping awake: held by what, or not because of what; on the host's own word, at once, and the phone is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import AwakeMode, KeepAwake
from dispatch_host.agents import Result
from dispatch_host.control_client import ControlClient
from dispatch_host.power.awake import Awake, Lock, Means, Mode, NotGiven
from dispatch_host.power.awake import KeepAwake as Keeper
from dispatch_host.power.desktop import Desktop
from dispatch_host.power.logind import Logind as LogindMeans
from dispatch_host.power.sleep import Heard

from tests.support.host_bench import Bench
from tests.support.power_end import Giver, Logind, SessionManager, Sleeper, is_let_go, mute_bus, needs_bus, private_bus
from tests.support.waiting import until, until_so

ON, OFF, WHILE_RUNNING = (
    AwakeMode.AWAKE_MODE_ON,
    AwakeMode.AWAKE_MODE_OFF,
    AwakeMode.AWAKE_MODE_WHILE_RUNNING,
)
DENIED, UNAVAILABLE = Reason.REASON_KEEP_AWAKE_DENIED, Reason.REASON_KEEP_AWAKE_UNAVAILABLE


@contextlib.asynccontextmanager
async def keeper(*means: Means, mode: Mode, retry_seconds: float = 3600) -> AsyncIterator[tuple[Keeper, list[Awake]]]:
    """Run a switch with this behind it; gives it and what it said of itself."""
    said: list[Awake] = []
    keeper = Keeper(means, mode=mode, changed=said.append, check_seconds=0.05, retry_seconds=retry_seconds)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper, said
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# ---- The switch.


async def test_on_holds_a_lock_until_the_host_ends() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.ON) as (switch, said):
        await until(lambda: said)

        assert switch.now == Awake(mode=Mode.ON, held_by="the test")
        assert giver.holds == 1
    await until(lambda: giver.holds == 0)


async def test_while_running_holds_it_only_while_a_task_runs_and_tries_once_before() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.WHILE_RUNNING) as (switch, _):
        await until(lambda: giver.asked == 1 and giver.holds == 0)
        assert switch.now == Awake(mode=Mode.WHILE_RUNNING)

        switch.busy(True)
        await until(lambda: switch.now.held_by)
        switch.busy(False)
        await until(lambda: not switch.now.held_by)

        assert giver.holds == 0
        assert giver.asked == 2


async def test_before_a_task_needs_it_is_known_that_nothing_is_given() -> None:
    giver = Giver(refuses=DENIED)
    async with keeper(giver, mode=Mode.WHILE_RUNNING) as (switch, said):
        await until(lambda: said)

        assert switch.now == Awake(mode=Mode.WHILE_RUNNING, reason=DENIED, detail="the test says no")


async def test_off_asks_nobody() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.OFF) as (switch, said):
        await until(lambda: said)

        assert switch.now == Awake(mode=Mode.OFF, reason=Reason.REASON_KEEP_AWAKE_OFF)
        assert giver.asked == 0


async def test_a_choice_is_in_force_when_it_returns() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.OFF) as (switch, _):
        assert (await switch.choose(Mode.ON)).held_by == "the test"
        assert giver.holds == 1

        assert (await switch.choose(Mode.OFF)).held_by == ""
        assert giver.holds == 0


async def test_a_person_who_asks_again_is_not_put_off_by_the_last_no() -> None:
    giver = Giver(refuses=UNAVAILABLE)
    async with keeper(giver, mode=Mode.ON) as (switch, said):
        await until(lambda: said)
        giver.refuses = Reason.REASON_UNSPECIFIED

        assert (await switch.choose(Mode.ON)).held_by == "the test"


async def test_a_lost_lock_is_noticed_and_taken_again() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.ON) as _:
        await until(lambda: giver.holds == 1)

        giver.given[0].held = False
        await until(lambda: len(giver.given) == 2)

        assert giver.given[0].released
        assert giver.holds == 1


async def test_a_lost_lock_that_is_not_given_again_is_said_and_asked_for_until_it_is() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.ON, retry_seconds=0) as (switch, said):
        await until(lambda: giver.holds == 1)

        giver.refuses = UNAVAILABLE
        giver.given[0].held = False
        await until(lambda: switch.now.reason == UNAVAILABLE)
        giver.refuses = Reason.REASON_UNSPECIFIED
        await until(lambda: switch.now.held_by)

        assert [one.held_by for one in said] == ["the test", "", "the test"]


async def test_the_first_system_that_gives_is_the_one_and_a_plain_no_is_what_is_told() -> None:
    nobody, denies, gives = Giver("a", refuses=UNAVAILABLE), Giver("b", refuses=DENIED), Giver("c")
    async with keeper(nobody, denies, gives, mode=Mode.ON) as (switch, said):
        await until(lambda: said)
        assert switch.now.held_by == "c"

    async with keeper(nobody, denies, mode=Mode.ON) as (switch, said):
        await until(lambda: said)
        assert (switch.now.reason, switch.now.detail) == (DENIED, "b says no")


class Broken:
    """A system that fails as none should."""

    def take(self) -> Lock:
        raise RuntimeError("a defect of a library")


async def test_a_system_that_breaks_ends_nothing_and_the_next_one_is_asked() -> None:
    async with keeper(Broken(), Giver(), mode=Mode.ON) as (switch, said):
        await until(lambda: said)
        assert switch.now.held_by == "the test"

    async with keeper(Broken(), mode=Mode.ON) as (switch, said):
        await until(lambda: said)
        assert (switch.now.reason, switch.now.detail) == (UNAVAILABLE, "Broken broke (RuntimeError)")


async def test_a_lock_that_can_not_be_looked_after_or_let_go_of_is_taken_anew() -> None:
    giver = Giver()
    async with keeper(giver, mode=Mode.ON) as _:
        await until(lambda: giver.holds == 1)

        giver.given[0].breaks = True
        await until(lambda: len(giver.given) == 2)


# ---- The systems.


@needs_bus
async def test_logind_s_lock_is_a_descriptor_that_ends_with_it(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()

        lock = await asyncio.to_thread(LogindMeans(bus).take)
        ours = await logind.gives("block")
        assert lock.is_held()
        lock.release()
        await is_let_go(ours)

        assert logind.asked == [["sleep:idle", "Dispatch", "A task runs, or may come", "block"]]


@needs_bus
async def test_a_logind_that_restarts_has_let_go_of_the_lock(tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus)
        await logind.comes()
        async with keeper(LogindMeans(bus), mode=Mode.ON) as (switch, _):
            os.close(await logind.gives("block"))
            ours = await logind.gives("block")

            await until(lambda: switch.now.held_by == "logind")
        await is_let_go(ours)


@needs_bus
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("org.freedesktop.DBus.Error.AccessDenied", DENIED),
        ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", DENIED),
        ("org.freedesktop.DBus.Error.ServiceUnknown", UNAVAILABLE),
    ],
)
async def test_what_logind_says_instead_is_kept_apart(tmp_path: Path, error: str, reason: Reason.ValueType) -> None:
    async with private_bus(tmp_path) as bus:
        logind = Logind(bus, error=error)
        await logind.comes()

        with pytest.raises(NotGiven) as refused:
            await asyncio.to_thread(LogindMeans(bus).take)

        assert (refused.value.reason, error in str(refused.value)) == (reason, True)


async def test_without_a_system_bus_there_is_nobody_to_ask(tmp_path: Path) -> None:
    with pytest.raises(NotGiven) as refused:
        LogindMeans(f"unix:path={tmp_path}/none").take()

    assert refused.value.reason == UNAVAILABLE


@needs_bus
async def test_a_desktop_keeps_awake_through_its_session_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
        manager = SessionManager(bus)
        await manager.comes()
        async with keeper(Desktop(), mode=Mode.ON) as (switch, _):
            await until(lambda: switch.now.held_by)
            assert (switch.now.held_by, manager.inhibited) == ("org.gnome.SessionManager", [7])

            await switch.choose(Mode.OFF)
            assert manager.inhibited == []


@needs_bus
async def test_a_session_manager_that_ends_has_let_go_and_the_next_one_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
        manager = SessionManager(bus)
        await manager.comes()
        async with keeper(Desktop(), mode=Mode.ON, retry_seconds=0) as (switch, _):
            await until(lambda: switch.now.held_by)

            manager.goes()
            await until(lambda: switch.now.reason == UNAVAILABLE)
            second = SessionManager(bus)
            await until(lambda: second.inhibited == [7])


@needs_bus
async def test_a_bus_that_is_slow_for_a_while_is_no_news_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with private_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
        manager = SessionManager(bus)
        await manager.comes()
        lock = await asyncio.to_thread(Desktop().take)
        async with mute_bus(tmp_path) as mute:
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", mute)
            assert await asyncio.to_thread(lock.is_held)

        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
        assert await asyncio.to_thread(lock.is_held)
        manager.goes()
        await until_so(lambda: asyncio.to_thread(lambda: not lock.is_held()))
        await asyncio.to_thread(lock.release)


async def test_a_variable_that_makes_the_library_pretend_is_seen_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEPY_FAKE_SUCCESS", "1")

    with pytest.raises(NotGiven):
        Desktop().take()


# ---- The host.


async def test_the_phone_hears_at_the_beginning_of_each_session_and_when_it_changes(tmp_path: Path) -> None:
    giver = Giver()
    async with Bench(tmp_path, awake_means=[giver]) as bench:
        await bench.ready()
        await until(lambda: giver.asked == 1)
        async with ControlClient(bench.home) as control:
            await control.set_keep_awake(OFF)
            off = KeepAwake(mode=OFF, reason=Reason.REASON_KEEP_AWAKE_OFF)
            await bench.phone.hears_awake(off)

            await bench.phone.shakes_hands()
            await bench.relay.until(lambda: bench.phone.begins[-1].keep_awake == off)

            await control.set_keep_awake(ON)
        await bench.phone.hears_awake(KeepAwake(mode=ON, held=True, held_by="the test"))


async def test_a_watch_and_a_system_that_break_end_no_host_and_are_counted(tmp_path: Path) -> None:
    class BreaksOnce(Sleeper):
        broke = False

        async def watch(self, heard: Heard) -> None:
            if not self.broke:
                self.broke = True
                raise RuntimeError("a defect of a library")
            await super().watch(heard)

    async with Bench(tmp_path, sleep=BreaksOnce(), awake_means=[Broken()]) as bench:
        await bench.ready()
        sent = await bench.phone.sends("works")
        await bench.phone.sees(sent.task_id, "started")
        bench.agent.says("works", Result("done"))
        await bench.phone.sees_end(sent.task_id)

        numbers = bench.metrics_text().splitlines()
        assert 'dispatch_host_power_failures_total{part="sleep"} 1.0' in numbers
        assert 'dispatch_host_power_failures_total{part="keep_awake"} 0.0' not in numbers


async def test_a_task_holds_it_while_it_runs(tmp_path: Path) -> None:
    giver = Giver()
    async with Bench(tmp_path, awake_means=[giver]) as bench:
        await bench.ready()
        sent = await bench.phone.sends("works")
        await bench.phone.hears_awake(KeepAwake(mode=WHILE_RUNNING, held=True, held_by="the test"))
        bench.agent.says("works", Result("done"))
        await bench.phone.sees_end(sent.task_id)
        await until(lambda: giver.holds == 0)


async def test_the_choice_outlives_the_host_and_can_be_made_without_it(tmp_path: Path) -> None:
    giver = Giver()
    async with Bench(tmp_path, awake_means=[giver]) as bench:
        await bench.ready()
        async with ControlClient(bench.home) as control:
            await control.set_keep_awake(ON)
        await bench.stops()
        await until(lambda: giver.holds == 0)

        await bench.ready()
        await until(lambda: giver.holds == 1)
        async with ControlClient(bench.home) as control:
            status = (await control.status()).keep_awake
            with pytest.raises(errors.BadRequest):
                await control.set_keep_awake(AwakeMode.AWAKE_MODE_UNSPECIFIED)
        assert status.state == KeepAwake(mode=ON, held=True, held_by="the test")
