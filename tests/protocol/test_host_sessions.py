"""Sessions, the outbox and the chain of events: what the host does when phone, relay or its own process come and go."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Condition, DeviceKind, Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.sealed.head import Head
from dispatch.sealed.history import Arrivals
from dispatch.sealed.session import PhoneSession
from dispatch_host import telling
from dispatch_host.agents import Result, Step
from dispatch_host.probing import PROBES

from tests.support.host_bench import HOUR_MS, Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def ends(bench: Bench, text: str) -> bytes:
    """Send a task that is done at once; gives its id when the phone has its end."""
    sent = await bench.phone.sends(text)
    await bench.phone.sees_end(sent.task_id)
    return sent.task_id


async def test_the_thread_begins_with_the_pairing(bench: Bench) -> None:
    (first,) = bench.phone.events

    assert (first.number, first.paired.phone_name, first.paired.host_name) == (1, "pocket", "desk")
    assert not first.paired.again


async def test_a_handshake_that_is_not_confirmed_changes_nothing(bench: Bench) -> None:
    before = bench.rows("SELECT chain FROM keep_chain")
    confirmed = bench.phone.session
    await bench.phone.shakes_hands(confirm=False)

    assert bench.rows("SELECT chain FROM keep_chain") == before
    assert confirmed is bench.phone.session


async def test_a_command_under_the_new_epoch_confirms_it(bench: Bench) -> None:
    begun = len(bench.phone.begins)
    await bench.phone.shakes_hands(confirm=False)

    await ends(bench, "quick")

    assert len(bench.phone.begins) == begun + 1


@pytest.mark.parametrize("wrong", ["expired", "other pair", "other key", "host's own", "forged", "nothing"])
async def test_a_phone_without_a_good_grant_gets_no_session(tmp_path: Path, wrong: str) -> None:
    async with Bench(tmp_path) as bench:
        phone_key = bench.phone_key.public_key().public_bytes_raw()
        role = DeviceKind.DEVICE_KIND_PHONE
        good = bench.phone.grant
        bench.phone.grant = {
            "expired": bench.pairing.grant(bench.pair_id, phone_key, role, hours=-0.25),
            "other pair": bench.pairing.grant(os.urandom(16), phone_key, role),
            "other key": bench.pairing.grant(bench.pair_id, bench.host_key.public, role),
            "host's own": bench.pairing.grant(bench.pair_id, phone_key, DeviceKind.DEVICE_KIND_HOST),
            "forged": good[:-1] + bytes([good[-1] ^ 1]),
            "nothing": b"",
        }[wrong]
        await bench.runs()
        await bench.phone.shakes_hands(confirm=False)

        refused = await bench.phone.posts(bench.phone.task("quick"))
        # What came under the refused epoch leaves no trace: the next try begins anew.
        again = await bench.phone.posts(bench.phone.task("quick"))

        assert (refused, again) == (Reason.REASON_GRANT_INVALID, Reason.REASON_STALE_EPOCH)
        assert bench.agent.runs == []
        bench.phone.grant = good
        await bench.phone.shakes_hands()
        await bench.phone.catches_up()
        await ends(bench, "quick")


async def test_a_grant_of_a_key_that_the_service_has_just_rotated_to_lets_the_phone_in(bench: Bench) -> None:
    """The host learnt of keys when it renewed its own grant only: until then every phone was turned away."""
    bench.pairing.rotates()
    phone_key = bench.phone_key.public_key().public_bytes_raw()
    bench.phone.grant = bench.pairing.grant(bench.pair_id, phone_key, DeviceKind.DEVICE_KIND_PHONE)

    await bench.phone.shakes_hands()

    await ends(bench, "quick")


async def test_a_phone_with_a_bad_grant_makes_the_host_ask_the_service_once(bench: Bench) -> None:
    before = bench.pairing.renewed
    bench.phone.grant = b"not a grant"
    for _ in range(3):
        await bench.phone.shakes_hands(confirm=False)
        assert await bench.phone.posts(bench.phone.task("quick")) == Reason.REASON_GRANT_INVALID

    assert bench.pairing.renewed == before + 1


async def test_a_grant_is_judged_by_the_service_s_clock(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bench.pairing.ahead_ms = 5 * HOUR_MS
        phone_key = bench.phone_key.public_key().public_bytes_raw()
        bench.phone.grant = bench.pairing.grant(bench.pair_id, phone_key, DeviceKind.DEVICE_KIND_PHONE)
        await bench.ready()

        await ends(bench, "quick")
        async with bench.control() as control:
            status = await control.status()
        assert any("300 minutes slow" in line for line in telling.status_lines(status))
        assert telling.status(status)["clock_off_ms"] == pytest.approx(-5 * HOUR_MS, abs=60_000)


async def test_the_refused_epoch_of_one_phone_leaves_the_old_session_as_it_was(bench: Bench) -> None:
    old = bench.phone.task("quick")
    bench.phone.grant = b"not a grant"
    await bench.phone.shakes_hands(confirm=False)
    assert await bench.phone.posts(bench.phone.task("quick")) == Reason.REASON_GRANT_INVALID

    assert await bench.phone.posts(old) is None


async def test_after_a_new_epoch_the_old_one_s_commands_are_stale(bench: Bench) -> None:
    old = bench.phone.task("quick")
    await bench.phone.shakes_hands()

    assert await bench.phone.posts(old) == Reason.REASON_STALE_EPOCH


async def test_too_many_handshakes_are_not_answered(bench: Bench) -> None:
    flood = PhoneSession(bench.phone.keys, rng=os.urandom)
    for _ in range(30):
        await bench.relay.live(flood.start(grant=bench.phone.grant, head=Head(), now_ms=bench.clock_ms()))
    await ends(bench, "quick")

    answers = [frame for frame in bench.relay.frames if frame.HasField("live") and frame.live.sealed[0] & 0x80]
    assert len(answers) <= 10


async def test_what_the_relay_has_not_confirmed_is_posted_again_with_the_same_bytes(bench: Bench) -> None:
    bench.relay.storing = False
    sent = await bench.phone.sends("quick")
    await bench.relay.until(lambda: sum(frame.HasField("post") for frame in bench.relay.frames) >= 4)
    before = {frame.post.message_id for frame in bench.relay.frames if frame.HasField("post")}
    bench.relay.storing = True
    await bench.relay.cut()

    await bench.phone.sees_end(sent.task_id)

    assert before <= {post.message_id for post in bench.relay.kept}
    assert bench.phone.holes == 0


async def test_what_the_relay_has_not_confirmed_is_sealed_anew_in_a_new_epoch(bench: Bench) -> None:
    bench.relay.storing = False
    sent = await bench.phone.sends("quick")
    await bench.until(lambda: bench.rows("SELECT state FROM task") == [("done",)])
    await bench.relay.until(lambda: any(frame.post.outcome for frame in bench.relay.frames))
    bench.relay.storing = True

    await bench.phone.shakes_hands()

    assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_DONE
    assert bench.relay.kept[-1].outcome == Outcome.OUTCOME_DONE
    await bench.until(lambda: bench.rows("SELECT count(*) FROM outbox") == [(0,)])


async def test_rows_that_the_relay_refuses_for_now_go_out_again_in_order(bench: Bench) -> None:
    bench.relay.refusing = Reason.REASON_RATE_LIMITED

    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    assert bench.relay.refused
    assert bench.phone.holes == 0


async def test_a_phone_that_lost_everything_gets_the_thread_again(bench: Bench) -> None:
    await ends(bench, "quick one")
    await ends(bench, "quick two")
    whole = list(bench.phone.events)
    bench.phone.arrivals, bench.phone.events, bench.phone.chains = Arrivals(Head()), [], ()

    rows = len(bench.relay.kept)
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()

    assert bench.phone.events == whole
    # What only repeats carries no outcome in clear, and calls nobody.
    assert [(row.outcome, row.push_hint) for row in bench.relay.kept[rows:]] == [(0, 0)] * (
        len(bench.relay.kept) - rows
    )


async def test_events_that_the_host_no_longer_has_are_named_as_lost(bench: Bench) -> None:
    await ends(bench, "quick one")
    await ends(bench, "quick two")
    whole = list(bench.phone.events)
    async with bench.paused():
        bench.change("DELETE FROM event WHERE number BETWEEN 3 AND 4")
    bench.phone.arrivals, bench.phone.events, bench.phone.chains = Arrivals(Head()), [], ()
    await bench.phone.shakes_hands()

    await bench.phone.asks_again(1, whole[-1].number)
    await bench.phone.has_number(whole[-1].number)

    (lost,) = bench.phone.lost
    assert (getattr(lost, "from"), lost.to) == (3, 4)
    assert [event.number for event in bench.phone.events] == [1, 2, *range(5, whole[-1].number + 1)]


async def test_a_host_that_was_set_back_goes_on_behind_what_the_phone_has(bench: Bench) -> None:
    await ends(bench, "quick one")
    number = bench.phone.head.number
    await bench.phone.says(pb.UpLiveItem(seen=pb.Seen(head=pb.Head(number=number, hash=bench.phone.head.hash))))
    await bench.until(lambda: bench.rows("SELECT seen_number FROM thread") == [(number,)])
    async with bench.paused():
        backup = bench.copy_journal()
    await bench.phone.shakes_hands()
    await ends(bench, "quick two")
    await ends(bench, "quick three")
    had = bench.phone.head
    async with bench.paused():
        bench.restore_journal(backup)

    await bench.phone.shakes_hands()
    after = await ends(bench, "quick four")

    restored = next(event for event in bench.phone.events if event.HasField("restored"))
    assert restored.number == had.number + 1
    assert (restored.restored.phone_head.number, restored.restored.phone_head.hash) == (had.number, had.hash)
    assert [event.number for event in bench.phone.events] == list(range(1, bench.phone.head.number + 1))
    assert bench.phone.kinds(after)[-1] == "ended"


async def test_unseen_events_of_a_host_that_was_set_back_come_again_behind_the_mark(bench: Bench) -> None:
    one = await ends(bench, "quick one")
    async with bench.paused():
        backup = bench.copy_journal()
    await bench.phone.shakes_hands()
    await ends(bench, "quick two")
    had = bench.phone.head
    async with bench.paused():
        bench.restore_journal(backup)  # without a Seen, all of it counts as unseen
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()

    behind = [event for event in bench.phone.events if event.number > had.number]

    assert behind[0].HasField("restored")
    assert [event.event_id for event in behind if event.task_id == one] == [
        event.event_id for event in bench.phone.events if event.task_id == one and event.number <= had.number
    ]


def claims(bench: Bench, number: int) -> None:
    """Let the phone say that it has so many events, of which nobody ever heard."""
    bench.phone.arrivals, bench.phone.chains = Arrivals(Head(number, os.urandom(32))), ()


async def is_refused(bench: Bench, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Let the phone shake hands; the host must not begin a session."""
    capsys.readouterr()
    begun, said = len(bench.phone.begins), ""
    await bench.phone.shakes_hands(confirm=False)
    await bench.phone.confirms()

    def refused() -> bool:
        nonlocal said
        said += "".join(capsys.readouterr())
        return "session refused" in said and reason in said

    await bench.until(refused)
    assert len(bench.phone.begins) == begun


async def test_a_phone_that_makes_heads_up_neither_fills_the_journal_nor_sticks(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    task = await ends(bench, "quick one")
    (before,) = bench.rows("SELECT count(*) FROM event")[0]
    whole = {event.event_id for event in bench.phone.events}
    for number in (100, 7, 50_000):
        claims(bench, number)
        await bench.phone.shakes_hands()
    assert bench.rows("SELECT count(*) FROM event")[0] == (before + 1,)  # and one mark

    claims(bench, 9)
    await is_refused(bench, "RATE_LIMITED", capsys)

    assert bench.rows("SELECT count(*) FROM event")[0] == (before + 1,)
    async with bench.paused():  # a host that has just started answers handshakes at once again
        pass
    bench.phone.arrivals, bench.phone.events = Arrivals(Head()), []
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()
    after = await ends(bench, "quick two")
    assert bench.phone.kinds(after)[-1] == "ended"
    assert whole <= {content.event_id for content in told(bench)}
    assert [event.WhichOneof("event") for event in told(bench) if event.task_id == task][-1] == "ended"


def told(bench: Bench) -> list[pb.Event]:
    """Read what the host would show of the thread."""
    return [pb.Event.FromString(content) for (content,) in bench.rows("SELECT content FROM event ORDER BY id")]


async def test_no_head_leaves_a_thread_stuck(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    await ends(bench, "quick one")
    for number in (1 << 40, 1 << 62, (1 << 64) - 1):
        claims(bench, number)
        await is_refused(bench, "PROTOCOL_VIOLATION", capsys)
    async with bench.paused():  # a host that has just started answers handshakes at once again
        pass
    claims(bench, 1 << 32)
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()

    await bench.phone.shakes_hands()  # with the head that it got by that
    await ends(bench, "quick two")
    await bench.dies()
    bench.relay.rows.clear()
    await bench.pairs(phone_name="pocket again")
    await bench.ready()
    await ends(bench, "quick three")


async def test_pairing_the_same_phone_again_goes_on_with_its_thread(bench: Bench) -> None:
    task = await ends(bench, "quick before")
    before = list(bench.phone.events)
    await bench.dies()
    old = bench.pair_id
    bench.relay.rows.clear()

    await bench.pairs(phone_name="pocket again")
    await bench.ready()

    assert bench.phone.events[: len(before)] == before
    mark = bench.phone.events[len(before)]
    assert (mark.paired.phone_name, mark.paired.again) == ("pocket again", True)
    assert bench.phone.kinds(task)[-1] == "ended"
    assert bench.rows("SELECT count(*) FROM pairing WHERE pair_id = ?", old) == [(0,)]
    after = await ends(bench, "quick after")
    assert bench.agent.histories[-1][0].task_text == "quick before"
    assert bench.phone.kinds(after)[0] == "accepted"


async def test_a_relay_that_has_lost_its_log_gets_what_it_lacks(bench: Bench) -> None:
    await ends(bench, "quick one")
    bench.relay.rows.clear()
    bench.relay.kept.clear()
    await bench.relay.cut()
    await bench.relay.until(lambda: len(bench.relay.opens) >= 3)
    await bench.relay.attached()

    await bench.phone.shakes_hands()
    await ends(bench, "quick two")

    assert bench.relay.opens[-1].resume_after == 0


async def test_the_host_goes_on_where_it_was_after_a_break_of_the_stream(bench: Bench) -> None:
    sent = await bench.phone.sends("long")
    await bench.phone.sees(sent.task_id, "started")
    await bench.relay.cut()
    bench.agent.says("long", Step("While away", ""), Result("all of it"))
    await bench.relay.attached()

    ended = await bench.phone.sees_end(sent.task_id)

    assert ended.outcome == Outcome.OUTCOME_DONE
    assert [event.number for event in bench.phone.events] == list(range(1, bench.phone.head.number + 1))
    assert bench.relay.opens[-1].resume_after > 0


async def test_a_running_task_of_a_process_that_died_is_interrupted_with_what_was_done(bench: Bench) -> None:
    running = await bench.phone.sends("dies")
    waiting = await bench.phone.sends("waits")
    bench.agent.says("dies", Step("Half of it", ""))
    await bench.phone.sees(running.task_id, "step")
    await bench.phone.sees(waiting.task_id, "waiting")
    await bench.dies()
    await bench.runs()
    await bench.phone.shakes_hands()

    first, second = await bench.phone.sees_end(running.task_id), await bench.phone.sees_end(waiting.task_id)

    assert (first.outcome, first.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_DIED)
    assert (second.outcome, second.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_NEVER_STARTED)
    assert "step" in bench.phone.kinds(running.task_id)
    assert [task.text for task in bench.agent.runs] == ["dies"]


async def test_stop_interrupts_says_so_and_says_goodbye(bench: Bench) -> None:
    running = await bench.phone.sends("runs")
    waiting = await bench.phone.sends("waits")
    await bench.phone.sees(waiting.task_id, "waiting")
    await bench.until(lambda: bench.agent.runs)

    await bench.stops()
    await bench.relay.frame("bye")

    first, second = await bench.phone.sees_end(running.task_id), await bench.phone.sees_end(waiting.task_id)
    assert (first.outcome, first.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_STOPPED)
    assert (second.outcome, second.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_NEVER_STARTED)
    last = [frame.WhichOneof("frame") for frame in bench.relay.frames][-2:]
    assert last == ["notice", "bye"]
    assert (await bench.relay.frame("notice")).notice.condition == Condition.CONDITION_APP_CLOSED
    assert bench.agent.closed == ["runs"]


async def test_garbage_in_passing_harms_nothing(bench: Bench) -> None:
    for sealed in (b"", b"\x81", b"\x82" + os.urandom(100), b"\x01" + os.urandom(400), os.urandom(70_000)):
        await bench.relay.live(sealed)
    await bench.relay.live(bench.phone.session.seal_live(b"\xff\xff"))
    resend = pb.Resend(to=2**64 - 1)
    await bench.phone.says(pb.UpLiveItem(resend=resend), pb.UpLiveItem(seen=pb.Seen(head=pb.Head(hash=b"short"))))

    await ends(bench, "quick")


async def test_a_probe_is_answered(bench: Bench) -> None:
    await bench.phone.says(pb.UpLiveItem(probe=pb.Probe(number=7)))

    await bench.relay.until(lambda: any(item.probe_reply.number == 7 for item in bench.phone.live))


async def test_a_service_that_has_forgotten_the_pair_is_reminded(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        bench.pairing.forgotten.add(bench.pair_id)

        await bench.ready()

        assert bench.pairing.completed == [bench.pair_id]


async def test_a_service_that_is_restored_while_the_host_runs_is_reminded_before_its_grant_ends(tmp_path: Path) -> None:
    """Found by tests/e2e/test_restore.py: a phone that was paired since the backup was turned away for up to a day."""
    async with Bench(tmp_path) as bench:
        bench.remind_seconds = 0.05
        await bench.ready()
        assert bench.pairing.completed == []

        bench.pairing.forgotten.add(bench.pair_id)

        await bench.until(lambda: bench.pairing.completed == [bench.pair_id])
        assert len(bench.relay.hellos) == 1  # its link did not notice


async def test_a_pairing_service_that_is_away_does_not_keep_the_host_from_the_relay(bench: Bench) -> None:
    bench.pairing.away = True
    await bench.relay.cut()
    await bench.relay.attached()

    await bench.phone.shakes_hands()
    await ends(bench, "quick")


async def test_a_probe_is_answered_under_the_seal_with_how_the_host_is(bench: Bench) -> None:
    await bench.phone.says(pb.UpLiveItem(probe=pb.Probe(number=7)))
    await bench.relay.until(lambda: any(item.HasField("probe_reply") for item in bench.phone.live))

    reply = next(item.probe_reply for item in bench.phone.live if item.HasField("probe_reply"))

    assert (reply.number, reply.running_task_id, reply.busy, reply.waiting_tasks) == (7, b"", False, 0)


async def test_a_phone_that_probes_without_end_is_answered_so_often_and_no_more(bench: Bench) -> None:
    await bench.phone.says(*(pb.UpLiveItem(probe=pb.Probe(number=number)) for number in range(3 * PROBES)))
    await bench.phone.shakes_hands()

    answered = [item.probe_reply.number for item in bench.phone.live if item.HasField("probe_reply")]
    assert answered == list(range(PROBES))
