"""The direct path: on one network the two speak without the relay, and change the path in the middle of a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.relay.v1.relay_pb2 import (
    OUTCOME_DONE,
    OUTCOME_INTERRUPTED,
    OUTCOME_UNSPECIFIED,
    PUSH_HINT_NEWS,
)
from dispatch_host.agents import Result, Step
from mobile_sim.direct import Way
from mobile_sim.store import Verdict

from tests.support.direct_world import DirectWorld, PhoneInHand
from tests.support.seeded_phone import UNHURRIED, Event
from tests.support.waiting import until

WHOLE = ["paired", "accepted", "started", "step", "step", "text", "ended"]
CHUNKS = 24
"""A little more than a direct path carries for one task, both ways together."""
SURELY = 6
"""So many it carries however they fall together."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DirectWorld]:
    async with DirectWorld(tmp_path) as made:
        yield made


def named(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]


def words(events: list[Event]) -> list[str]:
    """What a person must read, once and in order, whatever the paths did."""
    return [name for name in named(events) if name in {"accepted", "step", "done", "out_of_contact"}]


async def begun(world: DirectWorld, phone: PhoneInHand, events: list[Event]) -> asyncio.Task[int]:
    """Send a task, and wait until its first step has come."""
    watching = phone.watch("build it", events)
    world.bench.agent.says("build it", Step("Compiled"))
    await until(lambda: "step" in named(events))
    return watching


def goes_on(world: DirectWorld) -> None:
    world.bench.agent.says("build it", Step("Linked"), Result("It is built.", {}))


async def the_relay_has_all(world: DirectWorld, state: str) -> None:
    """Wait until the task is over, and the host knows that the relay has all that is to be said of it."""
    await until(lambda: world.bench.rows("SELECT state, (SELECT count(*) FROM outbox) FROM task") == [(state, 0)])


def last_row(world: DirectWorld) -> int:
    """Give the number of the newest row that ever was in the host's outbox."""
    return int(world.bench.rows("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")[0][0])


class NothingLeft:
    """Holds for the answer that the outbox has nothing more, behind one with rows."""

    def __init__(self) -> None:
        self._before: object = None

    def __call__(self, rows: object) -> bool:
        before, self._before = self._before, rows
        return bool(before) and not rows


def path_of(events: list[Event]) -> str:
    """Give by which path the task went."""
    return str(next(event["path"] for event in events if event["event"] == "sent"))


async def test_a_task_goes_directly_and_the_account_s_history_still_has_it(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")

        code, events = await phone.send("quick look")

    assert code == 0
    assert path_of(events) == "direct"
    assert [name for name in named(events) if name in {"sent", "accepted", "started", "done"}] == [
        "sent", "accepted", "started", "done",
    ]  # fmt: skip
    assert [task.text for task in world.bench.agent.runs] == ["quick look"]
    assert world.bench.rows("SELECT direct, verdict FROM command") == [(1, "go")]
    taken, ended = await world.relay.trust.told(2)
    assert (taken.task_id, taken.accepted, taken.outcome) == (ended.task_id, True, OUTCOME_UNSPECIFIED)
    assert (ended.outcome, ended.accepted) == (OUTCOME_DONE, True)
    assert 0 < ended.posted_at_ms <= ended.ended_at_ms
    assert world.relay.push.calls == []


@pytest.mark.big
async def test_a_person_who_went_away_is_called_when_the_host_of_a_direct_task_is_gone(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        events: list[Event] = []
        watching = await begun(world, phone, events)
        taken = (await world.relay.trust.told(1))[0]
        watching.cancel()

    await world.host_is_gone()
    await until(lambda: world.relay.push.calls == [(world.bench.pair_id, PUSH_HINT_NEWS)])
    assert (taken.accepted, taken.outcome) == (True, OUTCOME_UNSPECIFIED)
    assert taken.task_id == world.bench.rows("SELECT task_id FROM task")[0][0]

    await world.host_runs()
    assert (await world.relay.trust.told(2))[1].outcome == OUTCOME_INTERRUPTED


async def test_a_task_that_began_by_the_relay_goes_on_directly(world: DirectWorld) -> None:
    world.lan.refuse = True
    async with world.phone() as phone:
        await phone.is_on("relay")
        events: list[Event] = []
        watching = await begun(world, phone, events)
        assert path_of(events) == "relay"

        world.lan.refuse = False
        await phone.is_on("direct")
        world.by_relay.refuse = True
        world.by_relay.cut()
        goes_on(world)

        assert await watching == 0
        assert words(events) == ["accepted", "step", "step", "done"]
    assert len(world.bench.agent.runs) == 1


async def test_a_task_that_began_directly_goes_on_by_the_relay(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        events: list[Event] = []
        watching = await begun(world, phone, events)

        world.lan.refuse = True
        world.lan.cut()
        goes_on(world)

        assert await watching == 0
        assert words(events) == ["accepted", "step", "step", "done"]
        assert phone.line.path == "relay"
        assert await phone.thread() == WHOLE
    assert len(world.bench.agent.runs) == 1


@pytest.mark.big
async def test_when_both_paths_are_cut_the_phone_says_so_and_the_result_comes_when_one_is_back(
    world: DirectWorld,
) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        events: list[Event] = []
        watching = await begun(world, phone, events)

        for proxy in (world.lan, world.by_relay):
            proxy.refuse = True
            proxy.cut()
        await until(lambda: "out_of_contact" in named(events))
        goes_on(world)
        world.lan.refuse = False

        assert await watching == 0
        assert words(events) == ["accepted", "step", "out_of_contact", "step", "done"]
        assert await phone.thread() == WHOLE
    assert len(world.bench.agent.runs) == 1


async def test_without_a_relay_a_new_phone_process_shakes_hands_directly(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
    world.by_relay.refuse = True
    world.by_relay.cut()

    async with world.phone() as phone:
        code, events = await phone.send("quick look")

        assert code == 0
        assert path_of(events) == "direct"
        assert (await phone.status())["path"] == "direct"


async def test_the_host_s_restart_is_found_out_directly_too(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        world.by_relay.refuse = True
        world.by_relay.cut()
        events: list[Event] = []
        watching = await begun(world, phone, events)

        await world.host_dies()

        assert await watching != 0
        assert named(events)[-1] == "interrupted"
        assert (await phone.send("quick look"))[0] == 0


async def test_what_the_relay_took_and_can_not_deliver_the_phone_asks_for_directly(world: DirectWorld) -> None:
    world.lan.refuse = True
    async with world.phone() as phone:
        await phone.is_on("relay")
        events: list[Event] = []
        watching = await begun(world, phone, events)

        world.by_relay.freeze()
        goes_on(world)
        await the_relay_has_all(world, "done")
        world.lan.refuse = False

        await until(watching.done)
        assert words(events) == ["accepted", "step", "step", "done"]
        world.by_relay.thaw()


async def test_a_begin_that_the_relay_took_while_the_direct_path_was_opened_is_said_there_too(
    world: DirectWorld,
) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        world.by_relay.refuse = True
        world.by_relay.cut()
        events: list[Event] = []
        watching = await begun(world, phone, events)
        world.lan.refuse = True
        await world.host_dies()
        await the_relay_has_all(world, "interrupted")

        begin = last_row(world) + 1
        posted_all = world.bench.disk.stalls(asked_by="_waiting", behind=NothingLeft())
        world.lan.refuse = False
        await posted_all.wait()
        await until(lambda: phone.line.direct_open and last_row(world) >= begin)
        await until(lambda: not world.bench.rows("SELECT 1 FROM outbox WHERE id = ?", begin))
        world.bench.disk.goes_on()

        await until(watching.done)
        assert named(events)[-1] == "interrupted"


@pytest.mark.big
@pytest.mark.parametrize("cut_at", range(1, CHUNKS + 1))
async def test_cutting_the_direct_path_anywhere_loses_nothing_and_runs_nothing_twice(
    world: DirectWorld, cut_at: int
) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        before = world.lan.chunks
        world.lan.cut_at_chunk = before + cut_at

        code, events = await phone.send("quick look")

        assert code == 0, events
        assert cut_at > SURELY or world.lan.chunks >= before + cut_at, "it was cut"
        assert words(events) == ["accepted", "done"]
        assert await phone.thread() == ["paired", "accepted", "started", "text", "ended"]
        assert (await phone.status())["holes"] == 0
    assert len(world.bench.agent.runs) == 1
    assert world.bench.rows("SELECT count(*) FROM command WHERE verdict = 'go'") == [(1,)]


@pytest.mark.big
async def test_a_direct_path_that_falls_silent_is_given_up(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        events: list[Event] = []
        watching = await begun(world, phone, events)

        world.lan.freeze()
        goes_on(world)

        assert await watching == 0
        assert words(events) == ["accepted", "step", "step", "done"]
        assert phone.line.path == "relay"
        world.lan.thaw()
    assert len(world.bench.agent.runs) == 1


async def test_a_command_that_the_host_does_not_take_in_time_is_refused_by_the_phone_and_never_runs(
    world: DirectWorld,
) -> None:
    async with world.phone(Way.DIRECT, replace(UNHURRIED, command_seconds=10.0)) as phone:
        await phone.is_on("direct")
        stalled = world.bench.disk.stalls(asked_by="Intake._consider")
        events: list[Event] = []
        watching = phone.watch("quick look", events)
        await stalled.wait()
        world.clock.passed_ms = 11_000
        phone.line.bell.ring()

        assert await watching == 9
        assert events[-1]["reason"] == "NOT_TAKEN_IN_TIME"
        world.bench.disk.goes_on()
        await until(lambda: world.bench.rows("SELECT verdict FROM command") == [("withdrawn",)])
    assert world.bench.agent.runs == []


@pytest.mark.parametrize("way", [Way.AUTO, Way.DIRECT])
async def test_a_command_in_time_here_and_late_by_the_hosts_clock_goes_out_once_more_in_another_session(
    world: DirectWorld, way: Way
) -> None:
    async with world.phone(way) as phone:
        await phone.is_on("direct")
        world.bench.clock.ahead_ms += 600_000  # more than the command is good for

        code, events = await phone.send("quick look")

        assert code == 0, events
        assert [event["attempt"] for event in events if event["event"] == "sent"] == [1, 2]
    assert len(world.bench.agent.runs) == 1


async def test_a_session_that_a_refusal_ended_is_made_anew_on_the_open_direct_path_where_the_relay_is_away(
    world: DirectWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        world.by_relay.refuse = True
        world.by_relay.cut()
        await until(lambda: not phone.line.relay_open)
        world.bench.clock.ahead_ms += 600_000

        code, events = await phone.send("quick look")

        assert code == 0, events
        assert [event["attempt"] for event in events if event["event"] == "sent"] == [1, 2]
    assert len(world.bench.agent.runs) == 1
    assert capsys.readouterr().out.count("direct path opened") == 1  # the host's log


@pytest.mark.big
async def test_a_person_may_choose_the_path(world: DirectWorld) -> None:
    async with world.phone(Way.RELAY) as phone:
        code, events = await phone.send("quick look")
        assert (code, path_of(events)) == (0, "relay")
        assert (await phone.status())["path"] == "relay"
    assert world.lan.connections == 0

    world.lan.refuse = True
    async with world.phone(Way.DIRECT, replace(UNHURRIED, command_seconds=10.0)) as phone:
        code, events = await phone.send("quick second look")
        assert (events[-1]["state"], events[-1]["reason"]) == ("not_sent", "NO_NETWORK")
    assert len(world.bench.agent.runs) == 1


async def test_a_host_that_the_relay_calls_absent_is_not_out_of_contact_while_it_is_here(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        events: list[Event] = []
        watching = await begun(world, phone, events)

        world.sleeper.heard.falling_asleep()
        await until(lambda: phone.line.sight.gone)
        goes_on(world)

        assert await watching == 0
        assert words(events) == ["accepted", "step", "step", "done"]


async def test_switched_off_nothing_listens_and_nothing_is_told(tmp_path: Path) -> None:
    async with DirectWorld(tmp_path, direct=False) as world, world.phone() as phone:
        code, events = await phone.send("quick look")

        assert (code, path_of(events)) == (0, "relay")
        assert phone.line.addresses == ()
        async with world.bench.control() as control:
            assert list((await control.status()).direct_addresses) == []


async def test_a_phone_whose_app_is_too_old_for_the_service_does_not_go_round_it(world: DirectWorld) -> None:
    world.bench.pairing.minimum_phone_version = "99.0.0"
    await world.host_dies()
    async with world.phone() as phone:
        code, events = await phone.send("quick look")

        assert (code, path_of(events)) == (0, "relay")
        assert phone.line.direct_open is False
    assert world.lan.connections == 0


def test_the_verdicts_of_the_store_are_those_of_the_table() -> None:
    from mobile_sim.deciding import _STATUS

    assert set(_STATUS) == set(Verdict)
