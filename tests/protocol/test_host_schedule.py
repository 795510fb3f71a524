"""A host that does things by itself: begun once when due, in the thread like any task, and told when it was not.

The clock is moved by hand: to the minute in which something is due, and over hours in which the host was off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import DeviceKind, Outcome, PushHint
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey
from dispatch_host.agents import Choice, Result
from dispatch_host.schedule.entry import task_id_of

from tests.protocol.test_device_ceremony import Device
from tests.support.host_bench import Bench
from tests.support.pairing_service import PairingService

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
HALF = 30_000
"""Before the minute, so that an entry is set up in time however slow the computer is; the minute itself is made to come."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        await bench.ready()
        yield bench


def moved(bench: Bench, *, to_ms: int = 0, by_ms: int = 0) -> int:
    """Move the clock on the wall; gives what it shows."""
    now_ms = bench.clock.wall_ms()
    bench.clock.wall_ahead_ms += (to_ms - now_ms if to_ms else 0) + by_ms
    return bench.clock.wall_ms()


def minute_comes(bench: Bench) -> int:
    """Move the clock to half a minute before the next minute; gives that."""
    following = (bench.clock.wall_ms() // MINUTE + 1) * MINUTE
    moved(bench, to_ms=following - HALF)
    return following


async def has(
    bench: Bench, text: str, *, cron: str = "* * * * *", at: str = "", once: bool = False, phone: str = ""
) -> host_pb2.Schedule:
    """Set up an entry at the running host."""
    missed = host_pb2.MISSED_RUNS_ONCE if once else host_pb2.MISSED_RUNS_SKIP
    wanted = host_pb2.Schedule(text=text, missed=missed, phone_name=phone)
    if at:
        wanted.at = at
    else:
        wanted.cron = cron
    async with bench.control() as control:
        return await control.add_schedule(wanted)


async def falls_due(bench: Bench, entry: host_pb2.Schedule) -> None:
    """Move the clock to when an entry is due, and have the host look."""
    moved(bench, to_ms=entry.next_at_ms)
    async with bench.control() as control:
        await control.pause_schedule(entry.schedule_id.hex(), False)  # changes nothing, and wakes


def begun(bench: Bench) -> list[pb.Event]:
    return [event for event in bench.phone.events if event.HasField("scheduled")]


def told_missed(bench: Bench) -> list[pb.Missed]:
    return [event.missed for event in bench.phone.events if event.HasField("missed")]


async def begins(bench: Bench, *, runs: int = 1) -> pb.Event:
    """Wait for a run; gives its first event."""
    await bench.relay.until(lambda: len(begun(bench)) >= runs)
    return begun(bench)[runs - 1]


async def looks(bench: Bench) -> None:
    """Have the host look at its schedule, and wait until it did: behind an entry that is due nothing else is."""
    before = bench.clock.wall_ahead_ms
    minute_comes(bench)  # else the minute may be over before the host looks at what is said of it
    async with bench.control() as control:
        entry = await control.add_schedule(host_pb2.Schedule(text="quick look", at=_soon(bench)))
    await falls_due(bench, entry)
    task_id = task_id_of(entry.schedule_id, entry.next_at_ms)
    await bench.phone.sees_end(task_id)
    async with bench.control() as control:
        await control.remove_schedule(entry.schedule_id.hex())
    bench.clock.wall_ahead_ms = before


def _soon(bench: Bench) -> str:
    at = datetime.fromtimestamp((bench.clock.wall_ms() // MINUTE + 1) * 60, UTC)
    return at.strftime("%Y-%m-%d %H:%M")


async def test_what_is_due_is_a_task_in_the_thread_like_any(bench: Bench) -> None:
    due_ms = minute_comes(bench)
    entry = await has(bench, "quick report")
    await falls_due(bench, entry)

    first = await begins(bench)
    ended = await bench.phone.sees_end(first.task_id)

    assert entry.next_at_ms == due_ms
    assert first.task_id == task_id_of(entry.schedule_id, due_ms)
    said = first.scheduled
    assert (said.text, said.due_at_ms, said.late, said.instead_of) == ("quick report", due_ms, False, 0)
    assert said.schedule_id == entry.schedule_id
    assert ended.outcome == Outcome.OUTCOME_DONE
    assert bench.phone.kinds(first.task_id) == ["scheduled", "started", "result_text", "ended"]
    assert [task.text for task in bench.agent.runs] == ["quick report"]
    async with bench.control() as control:
        (listed,) = (await control.list_schedules()).schedules
        assert (listed.last.task_id, listed.last.state, listed.last_due_at_ms) == (first.task_id, "done", due_ms)
        assert listed.next_at_ms == due_ms + MINUTE
        (task,) = (await control.list_tasks(5)).tasks
        assert (task.task_id, task.scheduled, task.phone_name) == (first.task_id, True, "pocket")
    assert 'dispatch_host_scheduled_runs_total{run="on_time"} 1.0' in bench.metrics_text()


async def test_the_relay_hears_its_go_and_its_end_and_calls_who_does_not_look(bench: Bench) -> None:
    """So it is in the account's history, and somebody is called should this computer go away in the middle."""
    minute_comes(bench)
    await falls_due(bench, await has(bench, "works"))
    first = await begins(bench)
    await bench.relay.until(
        lambda: [row for row in bench.relay.kept if row.task_id == first.task_id and not row.sealed]
    )
    await bench.phone.sees(first.task_id, "started")
    bench.agent.says("works", Result("done"))
    await bench.phone.sees_end(first.task_id)

    rows = [row for row in bench.relay.kept if row.task_id == first.task_id]
    (go,) = [row for row in rows if not row.sealed]
    assert (go.outcome, go.push_hint) == (0, 0)
    (end,) = [row for row in rows if row.outcome]
    assert (end.outcome, end.push_hint) == (Outcome.OUTCOME_DONE, PushHint.PUSH_HINT_NEWS)


async def test_before_the_first_session_the_relay_hears_of_it_and_the_phone_later(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.runs()
        due_ms = minute_comes(bench)
        entry = await has(bench, "quick report", at=_soon(bench))
        task_id = task_id_of(entry.schedule_id, due_ms)
        await falls_due(bench, entry)

        await bench.relay.until(lambda: [row for row in bench.relay.kept if row.outcome])

        rows = [row for row in bench.relay.kept if row.task_id == task_id]
        assert [(row.sealed, row.outcome, row.push_hint) for row in rows] == [
            (b"", 0, 0),
            (b"", Outcome.OUTCOME_DONE, 0),
        ]
        await bench.phone.shakes_hands()
        await bench.phone.catches_up()
        assert bench.phone.kinds(task_id) == ["scheduled", "started", "result_text", "ended"]


async def test_behind_a_running_task_it_waits_with_its_place_and_is_cancelled_from_either_side(bench: Bench) -> None:
    sent = await bench.phone.sends("long")
    await bench.phone.sees(sent.task_id, "started")
    minute_comes(bench)
    await has(bench, "quick one", at=_soon(bench))
    await falls_due(bench, await has(bench, "quick two", at=_soon(bench)))
    await begins(bench, runs=2)
    one, two = (event.task_id for event in begun(bench))
    assert (await bench.phone.sees(one, "waiting")).waiting.position == 1
    assert (await bench.phone.sees(two, "waiting")).waiting.position == 2

    assert await bench.phone.posts(bench.phone.cancel(one)) is None
    assert (await bench.phone.sees_end(one)).outcome == Outcome.OUTCOME_CANCELLED
    async with bench.control() as control:
        assert (await control.cancel_task(two)).state == "cancelled"
        assert (await control.cancel_task(sent.task_id)).state == "cancelled"
        with pytest.raises(errors.TaskOver):
            await control.cancel_task(two)
    assert [bench.phone.kinds(task_id).count("ended") for task_id in (one, two)] == [1, 1]
    assert [task.text for task in bench.agent.runs] == ["long"]


async def test_its_id_can_not_be_taken_by_a_phone(bench: Bench) -> None:
    minute_comes(bench)
    await falls_due(bench, await has(bench, "quick report"))
    first = await begins(bench)
    await bench.phone.sees_end(first.task_id)

    refused = await bench.phone.posts(bench.phone.task("quick report", task_id=first.task_id))

    assert refused == Reason.REASON_ID_REUSED


@pytest.mark.parametrize("once", [False, True])
async def test_what_was_due_while_it_was_off_is_told_or_made_up_for_by_one_run(bench: Bench, once: bool) -> None:
    moved(bench, to_ms=(bench.clock.wall_ms() // HOUR + 1) * HOUR + 30 * MINUTE)
    entry = await has(bench, "quick report", cron="0 * * * *", once=once)
    first_ms = entry.next_at_ms
    await bench.dies()
    moved(bench, by_ms=3 * HOUR)

    await bench.runs()
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()

    if once:
        said = (await begins(bench)).scheduled
        assert (said.due_at_ms, said.late, said.instead_of) == (first_ms + 2 * HOUR, True, 2)
        assert told_missed(bench) == []
        await bench.phone.sees_end(begun(bench)[0].task_id)
    else:
        await bench.relay.until(lambda: told_missed(bench))
        (missed,) = told_missed(bench)
        assert (missed.from_ms, missed.to_ms, missed.count) == (first_ms, first_ms + 2 * HOUR, 3)
        assert (missed.reason, missed.text) == (Reason.REASON_RUN_MISSED, "quick report")
        assert {row.push_hint for row in bench.relay.kept if row.push_hint} == {PushHint.PUSH_HINT_NEWS}
    await looks(bench)
    assert len(bench.agent.runs) == 1 + once
    missed_count = 2 if once else 3
    assert f'dispatch_host_scheduled_runs_total{{run="missed"}} {missed_count}.0' in bench.metrics_text()


async def test_a_run_that_is_not_over_is_not_overtaken_by_the_next(bench: Bench) -> None:
    minute_comes(bench)
    entry = await has(bench, "slow")
    await falls_due(bench, entry)
    first = await begins(bench)
    await bench.phone.sees(first.task_id, "started")
    moved(bench, by_ms=5 * MINUTE)
    async with bench.control() as control:
        await control.pause_schedule(entry.schedule_id.hex(), False)  # looks
    await bench.until(lambda: bench.rows("SELECT held FROM schedule")[0][0] == Reason.REASON_RUN_OVERTAKEN)

    bench.agent.says("slow", Result("done"))
    await bench.phone.sees_end(first.task_id)

    await bench.relay.until(lambda: told_missed(bench))
    (missed,) = told_missed(bench)
    assert (missed.count, missed.reason) == (5, Reason.REASON_RUN_OVERTAKEN)
    moved(bench, to_ms=missed.to_ms + MINUTE)
    async with bench.control() as control:
        await control.pause_schedule(entry.schedule_id.hex(), False)  # looks
    assert (await begins(bench, runs=2)).scheduled.due_at_ms == missed.to_ms + MINUTE


async def asks(bench: Bench) -> tuple[host_pb2.Schedule, bytes]:
    """Set up an entry whose run asks a person; give it, and the run."""
    minute_comes(bench)
    entry = await has(bench, "tidy up")
    await falls_due(bench, entry)
    task_id = (await begins(bench)).task_id
    bench.agent.says("tidy up", lambda _gate, ask, _words: ask.which(Choice(text="Which one?")), Result("done"))
    await bench.phone.sees(task_id, "question")
    return entry, task_id


async def test_who_waits_behind_a_question_of_the_schedule_is_told_so_and_again_when_it_is_answered(
    bench: Bench,
) -> None:
    _, asking = await asks(bench)

    sent = await bench.phone.sends("quick one")

    said = (await bench.phone.sees(sent.task_id, "waiting")).waiting
    assert (said.position, said.asking, said.asking_task_id) == (1, True, asking)
    async with bench.control() as control:
        question = (await bench.phone.sees(asking, "question")).question
        await control.answer_question(asking, pb.Answer(question_id=question.question_id, text="north"))
    await bench.phone.sees_end(sent.task_id)
    waited = [event.waiting for event in bench.phone.of(sent.task_id) if event.HasField("waiting")]
    assert [(one.asking, one.asking_task_id) for one in waited] == [(True, asking), (False, b"")]


async def test_a_run_that_asks_ends_with_its_entry_and_the_others_go_on(bench: Bench) -> None:
    entry, asking = await asks(bench)
    sent = await bench.phone.sends("quick one")

    async with bench.control() as control:
        removed = await control.remove_schedule(entry.schedule_id.hex())

    assert removed.last.state == "cancelled"
    assert (await bench.phone.sees_end(asking)).outcome == Outcome.OUTCOME_CANCELLED
    assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_DONE


async def test_a_run_that_works_goes_on_without_its_entry(bench: Bench) -> None:
    minute_comes(bench)
    entry = await has(bench, "slow")
    await falls_due(bench, entry)
    first = await begins(bench)
    await bench.phone.sees(first.task_id, "started")

    async with bench.control() as control:
        removed = await control.remove_schedule(entry.schedule_id.hex())

    assert removed.last.state == "running"
    bench.agent.says("slow", Result("done"))
    assert (await bench.phone.sees_end(first.task_id)).outcome == Outcome.OUTCOME_DONE


async def test_a_clock_that_is_set_back_runs_nothing_twice(bench: Bench) -> None:
    due_ms = minute_comes(bench)
    await falls_due(bench, await has(bench, "quick report"))
    await bench.phone.sees_end((await begins(bench)).task_id)

    for back_ms in (30 * MINUTE, 3 * DAY):
        await bench.dies()
        moved(bench, to_ms=due_ms - back_ms - 30_000)
        await bench.runs()
        await bench.phone.shakes_hands()
        await bench.phone.catches_up()
        await looks(bench)
        ids = [event.task_id for event in begun(bench)]
        assert len(set(ids)) == len(ids)
        assert [event.scheduled.due_at_ms for event in begun(bench)].count(due_ms) == 1

    # Set back by days it was wrong before: it goes on from there, and what has its task gets no other.
    async with bench.control() as control:
        (listed,) = (await control.list_schedules()).schedules
    assert listed.next_at_ms < due_ms


async def test_paused_rests_resumed_goes_on_and_removed_is_gone(bench: Bench) -> None:
    moved(bench, to_ms=(bench.clock.wall_ms() // HOUR + 1) * HOUR + 30 * MINUTE)  # the next minute is not the next hour
    entry = await has(bench, "quick report", cron="0 * * * *")
    word = entry.schedule_id.hex()
    async with bench.control() as control:
        paused = await control.pause_schedule(word[:6], True)
        assert (paused.paused, paused.next_at_ms) == (True, 0)
        moved(bench, by_ms=5 * HOUR)
        resumed = await control.pause_schedule(word, False)
        assert resumed.next_at_ms > bench.clock.wall_ms()
        await looks(bench)
        assert (await control.remove_schedule(word)).schedule_id == entry.schedule_id
        with pytest.raises(errors.ScheduleUnknown):
            await control.remove_schedule(word)
        with pytest.raises(errors.ScheduleUnknown):
            await control.pause_schedule("", True)
        assert list((await control.list_schedules()).schedules) == []
    assert [event.scheduled.text for event in begun(bench)] == ["quick look"]
    assert told_missed(bench) == []


async def test_what_a_phone_that_is_not_paired_any_more_had_is_not_done(bench: Bench) -> None:
    await has(bench, "quick report", cron="0 * * * *")
    async with bench.control() as control:
        await control.unpair("")
        moved(bench, by_ms=3 * HOUR)
        (listed,) = (await control.list_schedules()).schedules
        assert listed.phone_name == ""
        await control.pause_schedule(listed.schedule_id.hex(), False)  # looks
    await bench.until(lambda: bench.rows("SELECT held FROM schedule")[0][0] == Reason.REASON_NOT_PAIRED)
    assert bench.agent.runs == []


async def test_what_is_due_for_a_phone_begins_when_it_is_paired_anew(tmp_path: Path) -> None:
    """Nothing else wakes the schedule within the hour."""
    async with Bench(tmp_path) as bench:
        bench.look_seconds = 3600.0
        await bench.ready()
        await has(bench, "quick report", cron="0 * * * *", once=True)
        async with bench.control() as control:
            await control.unpair("")
            moved(bench, by_ms=3 * HOUR)
            (listed,) = (await control.list_schedules()).schedules
            await control.pause_schedule(listed.schedule_id.hex(), False)  # looks
        await bench.until(lambda: bench.rows("SELECT held FROM schedule")[0][0] == Reason.REASON_NOT_PAIRED)
        assert bench.agent.runs == []

        async with PairingService(tmp_path / "pairing", relay=bench.relay.address) as service:
            await service.add_account()
            await pairs_by_hand(bench, service, tmp_path / "pocket")

            await bench.until(lambda: bench.agent.runs)

        assert [task.text for task in bench.agent.runs] == ["quick report"]


async def pairs_by_hand(bench: Bench, service: PairingService, pocket: Path) -> None:
    """Let the running host show its code, and the phone that it knew scan it; both say yes."""
    phone = Device(Home(pocket), DeviceKind.DEVICE_KIND_PHONE)
    phone.home.create()
    DeviceKey.load_or_make(phone.store, lambda _: bench.phone_key.private_bytes_raw())
    await phone.sign_in(service.address)
    desk = Device(bench.home, DeviceKind.DEVICE_KIND_HOST)
    await desk.sign_in(service.address)
    answers: asyncio.Queue[bool] = asyncio.Queue()
    async with bench.control() as control, asyncio.TaskGroup() as both:
        async for event in control.pair(host_pb2.PairStart(), answers):
            if event.HasField("qr"):
                both.create_task(phone.scan(event.qr.link))
            elif event.HasField("code"):
                answers.put_nowait(True)
            elif event.HasField("ended"):
                assert event.ended.pair_id, event


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (host_pb2.Schedule(text="x", cron="* * *"), errors.BadRequest),
        (host_pb2.Schedule(text=" ", cron="* * * * *"), errors.BadRequest),
        (host_pb2.Schedule(text="x"), errors.BadRequest),
        (host_pb2.Schedule(text="x", at="2020-01-01 00:00"), errors.BadRequest),
        (host_pb2.Schedule(text="x" * 50_000, cron="* * * * *"), errors.TooLarge),
        (host_pb2.Schedule(text="x", cron="* * * * *", phone_name="nobody"), errors.TargetUnknown),
    ],
)
async def test_what_can_not_be_set_up_is_refused(
    bench: Bench, wanted: host_pb2.Schedule, error: type[errors.DispatchError]
) -> None:
    async with bench.control() as control:
        with pytest.raises(error):
            await control.add_schedule(wanted)
        assert list((await control.list_schedules()).schedules) == []


COMMITS = 14
"""More than there are from the start of the host to the end of the run."""


@pytest.mark.big
@pytest.mark.parametrize("commit", range(1, COMMITS))
async def test_whatever_commit_was_the_last_it_is_begun_once_and_has_one_fate(bench: Bench, commit: int) -> None:
    due_ms = minute_comes(bench)
    moved(bench, by_ms=-10 * MINUTE)
    entry = await has(bench, "quick report", cron=f"{due_ms // MINUTE % 60} * * * *", once=True)
    await bench.dies()
    moved(bench, to_ms=due_ms)
    bench.dies_after = commit
    bench.starts()
    await bench.until(lambda: bench.dying)
    assert bench.dying is not None
    dead = asyncio.create_task(bench.dying.dead.wait())
    quiet = asyncio.create_task(bench.phone.sees_end(task_id_of(entry.schedule_id, entry.next_at_ms)))
    shaking = asyncio.create_task(bench.phone.shakes_hands())
    await asyncio.wait([dead, quiet], return_when=asyncio.FIRST_COMPLETED)
    for task in (dead, quiet, shaking):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await bench.dies()

    await bench.runs()
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()

    ended = await bench.phone.sees_end(task_id_of(entry.schedule_id, entry.next_at_ms))
    assert ended.outcome == Outcome.OUTCOME_DONE or ended.reason in {
        Reason.REASON_HOST_DIED,
        Reason.REASON_NEVER_STARTED,
    }
    await looks(bench)
    kinds = bench.phone.kinds(task_id_of(entry.schedule_id, entry.next_at_ms))
    assert (kinds.count("scheduled"), kinds.count("ended")) == (1, 1)
    assert [task.text for task in bench.agent.runs].count("quick report") <= 1
    assert [event.number for event in bench.phone.events] == list(range(1, bench.phone.head.number + 1))
