"""Taking a command: every reason to decline, the commit point, attempts, and what becomes of a go that comes late or twice."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host.agents import Result
from dispatch_host.steps import Gone
from dispatch_host.tasks import State

from tests.support.host_bench import Bench
from tests.support.phone_end import PhoneEnd, Sent

TASK = bytes(range(16))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


def state(bench: Bench, task_id: bytes) -> State | None:
    found = bench.rows("SELECT state FROM task WHERE task_id = ?", task_id)
    return State(found[0][0]) if found else None


def with_attachment(phone: PhoneEnd) -> Sent:
    task = pb.Task(text="look", attachments=[pb.Attachment(name="a.txt")])
    return phone.command(pb.Action(task=task, action_id=TASK), task_id=TASK)


def steered(phone: PhoneEnd) -> Sent:
    return phone.command(pb.Action(steer=pb.Steer(text="left"), action_id=os.urandom(16)), task_id=TASK)


def answered(phone: PhoneEnd) -> Sent:
    action = pb.Action(answer=pb.Answer(text="yes"), action_id=os.urandom(16))
    return phone.command(action, task_id=TASK)


def with_other_clear_id(phone: PhoneEnd) -> Sent:
    sent = phone.task("look")
    return Sent(sent.message_id, TASK, sent.sealed)


def with_other_message_id(phone: PhoneEnd) -> Sent:
    sent = phone.task("look")
    return Sent(os.urandom(16), sent.task_id, sent.sealed)


def damaged(phone: PhoneEnd) -> Sent:
    from dispatch.encoding import message_id

    sent = phone.task("look")
    sealed = sent.sealed[:-1] + bytes([sent.sealed[-1] ^ 1])
    return Sent(message_id(sealed), sent.task_id, sealed)


def not_a_command(phone: PhoneEnd) -> Sent:
    from dispatch.encoding import message_id

    sealed = phone.session.seal_command(b"\xff\xff\xff")
    return Sent(message_id(sealed), TASK, sealed)


DECLINED: dict[str, tuple[Callable[[PhoneEnd], Sent], Reason.ValueType]] = {
    "an empty seal": (lambda _: Sent(os.urandom(16), TASK, b""), Reason.REASON_SESSION_NEEDED),
    "another epoch": (damaged, Reason.REASON_STALE_EPOCH),
    "a deadline that is over": (lambda phone: phone.task("look", deadline_ms=0), Reason.REASON_DEADLINE_PASSED),
    "a wrong signature": (lambda phone: phone.task("look", signature=bytes(64)), Reason.REASON_SIGNATURE_INVALID),
    "another pairing": (lambda phone: phone.task("look", pair_id=bytes(16)), Reason.REASON_PROTOCOL_VIOLATION),
    "another task outside": (with_other_clear_id, Reason.REASON_PROTOCOL_VIOLATION),
    "another message id": (with_other_message_id, Reason.REASON_PROTOCOL_VIOLATION),
    "no command inside": (not_a_command, Reason.REASON_PROTOCOL_VIOLATION),
    "attempt 0": (lambda phone: phone.task("look", attempt=0), Reason.REASON_PROTOCOL_VIOLATION),
    "a schedule": (lambda phone: phone.task(" /schedule daily: look"), Reason.REASON_SCHEDULE_ON_HOST),
    "no words": (lambda phone: phone.task(" \n"), Reason.REASON_BAD_REQUEST),
    "too many words": (lambda phone: phone.task("x" * 49_153), Reason.REASON_TOO_LARGE),
    "an attachment that never arrived": (with_attachment, Reason.REASON_ATTACHMENT_MISSING),
    "steering nothing": (steered, Reason.REASON_TASK_UNKNOWN),
    "an answer to nothing": (answered, Reason.REASON_TASK_UNKNOWN),
    "a cancel of nothing": (lambda phone: phone.cancel(TASK), Reason.REASON_TASK_UNKNOWN),
}


@pytest.mark.parametrize("case", DECLINED)
async def test_a_command_is_declined_with_the_reason_and_never_runs(bench: Bench, case: str) -> None:
    make, reason = DECLINED[case]

    assert await bench.phone.posts(make(bench.phone)) == reason

    after = await bench.phone.sends("quick")
    await bench.phone.sees_end(after.task_id)
    assert [task.text for task in bench.agent.runs] == ["quick"]


async def test_the_seventeenth_waiting_task_is_declined_and_fits_when_one_has_ended(bench: Bench) -> None:
    running = await bench.phone.sends("running")
    await bench.phone.sees(running.task_id, "started")
    waiting = [await bench.phone.sends(f"quick {number}") for number in range(16)]
    await bench.phone.sees(waiting[-1].task_id, "waiting")

    assert await bench.phone.posts(bench.phone.task("too many")) == Reason.REASON_QUEUE_FULL

    bench.agent.says("running", Result(""))
    await bench.phone.sees_end(waiting[-1].task_id)
    assert await bench.phone.posts(bench.phone.task("quick now")) is None


async def test_commands_that_wait_for_their_go_count_as_waiting(bench: Bench) -> None:
    bench.relay.verdict = "hold"
    for number in range(16):
        assert await bench.phone.posts(bench.phone.task(f"quick {number}")) is None

    assert await bench.phone.posts(bench.phone.task("too many")) == Reason.REASON_QUEUE_FULL


async def test_a_task_without_its_go_never_starts(bench: Bench) -> None:
    bench.relay.verdict = "refuse"
    refused = await bench.phone.sends("never")
    await bench.until(lambda: state(bench, refused.task_id) is State.REFUSED)
    bench.relay.verdict = "accept"
    after = await bench.phone.sends("quick")
    await bench.phone.sees_end(after.task_id)

    assert [task.text for task in bench.agent.runs] == ["quick"]
    assert bench.phone.of(refused.task_id) == []


async def test_a_refused_task_runs_once_when_it_is_sent_again(bench: Bench) -> None:
    bench.relay.verdict = "refuse"
    first = await bench.phone.sends("quick")
    await bench.until(lambda: state(bench, first.task_id) is State.REFUSED)
    bench.relay.verdict = "accept"

    second = await bench.phone.sends("quick", task_id=first.task_id, attempt=2)
    await bench.phone.sees_end(first.task_id)

    assert (await bench.phone.sees(first.task_id, "accepted")).accepted.attempt == 2
    assert len(bench.agent.runs) == 1
    await bench.relay.go(first.message_id)  # a relay that contradicts itself
    await bench.relay.go(second.message_id)
    again = await bench.phone.sends("quick again")
    await bench.phone.sees_end(again.task_id)
    assert len(bench.agent.runs) == 2


async def test_a_handover_that_comes_twice_is_taken_twice_and_runs_once(bench: Bench) -> None:
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    await bench.relay.hand_over(sent.message_id, sent.task_id, sent.sealed)
    await bench.relay.frame("take", sent.message_id, count=2)
    after = await bench.phone.sends("quick after")
    await bench.phone.sees_end(after.task_id)

    assert [task.text for task in bench.agent.runs] == ["quick", "quick after"]
    assert bench.phone.kinds(sent.task_id).count("ended") == 1


async def test_a_go_is_acted_on_though_the_stream_broke_when_it_was_on_the_disk(bench: Bench) -> None:
    """Nobody would start the task until another one came: accepted, and then nothing."""
    bench.relay.verdict = "hold"
    sent = await bench.phone.sends("quick", valid_for_ms=60_000)
    await bench.relay.frame("take", sent.message_id)

    bench.relay.silence_ms = 2_000
    await bench.relay.cut()
    await bench.relay.attached()
    on_the_disk = bench.disk.stalls(behind=Gone)
    await bench.relay.go(sent.message_id)
    await on_the_disk.wait()
    await bench.relay.detached()
    bench.relay.silence_ms = 65_000

    await bench.phone.sees_end(sent.task_id)
    assert [task.text for task in bench.agent.runs] == ["quick"]


async def test_a_cancel_is_acted_on_though_the_stream_broke_when_it_was_on_the_disk(bench: Bench) -> None:
    sent = await bench.phone.sends("never ends")
    await bench.phone.sees(sent.task_id, "started")
    bench.relay.verdict = "hold"
    cancel = bench.phone.cancel(sent.task_id, valid_for_ms=60_000)
    assert await bench.phone.posts(cancel) is None

    bench.relay.silence_ms = 2_000
    await bench.relay.cut()
    await bench.relay.attached()
    on_the_disk = bench.disk.stalls(behind=Gone)
    await bench.relay.go(cancel.message_id)
    await on_the_disk.wait()
    await bench.relay.detached()
    bench.disk.goes_on()
    bench.relay.silence_ms = 65_000

    assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_CANCELLED


async def test_a_handover_that_comes_again_in_a_later_epoch_is_taken_and_not_opened_again(bench: Bench) -> None:
    bench.relay.verdict = "hold"
    sent = await bench.phone.sends("quick")
    await bench.phone.shakes_hands()

    await bench.relay.hand_over(sent.message_id, sent.task_id, sent.sealed)
    await bench.relay.frame("take", sent.message_id, count=2)
    await bench.relay.go(sent.message_id)

    assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_DONE


async def test_an_id_that_was_used_for_other_words_is_refused(bench: Bench) -> None:
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    again = bench.phone.task("other words", task_id=sent.task_id, attempt=2)
    assert await bench.phone.posts(again) == Reason.REASON_ID_REUSED


async def test_an_attempt_of_a_task_that_has_its_go_is_superseded(bench: Bench) -> None:
    sent = await bench.phone.sends("never ends")
    await bench.phone.sees(sent.task_id, "started")
    await bench.until(lambda: bench.agent.runs)

    again = bench.phone.task("never ends", task_id=sent.task_id, attempt=2)

    assert await bench.phone.posts(again) == Reason.REASON_ATTEMPT_SUPERSEDED
    assert len(bench.agent.runs) == 1


async def test_an_older_attempt_is_superseded(bench: Bench) -> None:
    bench.relay.verdict = "hold"
    await bench.phone.sends("quick", task_id=TASK, attempt=3)

    older = bench.phone.task("quick", task_id=TASK, attempt=2)

    assert await bench.phone.posts(older) == Reason.REASON_ATTEMPT_SUPERSEDED


async def test_of_two_attempts_with_a_go_one_runs(bench: Bench) -> None:
    bench.relay.verdict = "hold"
    first = await bench.phone.sends("quick", task_id=TASK)
    second = await bench.phone.sends("quick", task_id=TASK, attempt=2)

    await bench.relay.go(first.message_id)
    await bench.relay.go(second.message_id)
    ended = await bench.phone.sees_end(TASK)

    assert ended.outcome == Outcome.OUTCOME_DONE
    assert (await bench.phone.sees(TASK, "accepted")).accepted.attempt == 2
    assert len(bench.agent.runs) == 1


@pytest.mark.parametrize("go_first", [True, False])
async def test_a_go_for_a_replaced_attempt_ends_as_never_started_when_the_newer_is_refused(
    bench: Bench, go_first: bool
) -> None:
    bench.relay.verdict = "hold"
    first = await bench.phone.sends("quick", task_id=TASK)
    second = await bench.phone.sends("quick", task_id=TASK, attempt=2)

    words = [(bench.relay.go, first), (bench.relay.withdraw, second)]
    for say, about in words if go_first else words[::-1]:
        await say(about.message_id)
    ended = await bench.phone.sees_end(TASK)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_NEVER_STARTED)
    assert (await bench.phone.sees(TASK, "accepted")).accepted.attempt == 1
    assert bench.agent.runs == []


async def test_a_go_after_the_deadline_ends_as_never_started(bench: Bench) -> None:
    bench.relay.verdict = "hold"
    sent = bench.phone.task("quick", valid_for_ms=5_000)
    assert await bench.phone.posts(sent) is None
    deadline = bench.phone.session.deadline_ms(now_ms=bench.clock_ms(), valid_for_ms=5_000)
    await bench.until(lambda: bench.phone.session.epoch_ms(bench.clock_ms()) > deadline + 50)

    await bench.relay.go(sent.message_id)
    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_NEVER_STARTED)
    assert bench.phone.kinds(sent.task_id) == ["accepted", "ended"]
    assert bench.agent.runs == []


async def test_a_go_that_finds_another_process_ends_as_never_started(bench: Bench) -> None:
    bench.relay.verdict = "hold"
    sent = await bench.phone.sends("quick")
    await bench.dies()
    await bench.relay.go(sent.message_id)
    await bench.runs()
    await bench.phone.shakes_hands()

    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_NEVER_STARTED)
    assert bench.agent.runs == []


async def test_a_cancel_of_a_task_that_is_over_is_declined(bench: Bench) -> None:
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    assert await bench.phone.posts(bench.phone.cancel(sent.task_id)) == Reason.REASON_TASK_OVER


async def test_a_cancel_without_its_go_leaves_the_task_alone(bench: Bench) -> None:
    sent = await bench.phone.sends("goes on")
    await bench.phone.sees(sent.task_id, "started")
    bench.relay.verdict = "refuse"
    assert await bench.phone.posts(bench.phone.cancel(sent.task_id)) is None
    bench.agent.says("goes on", Result("done"))

    assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_DONE


async def test_a_go_for_a_command_that_the_host_does_not_know_is_passed_over(bench: Bench) -> None:
    await bench.relay.go(os.urandom(16))
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    await bench.relay.until(lambda: any(frame.ack.through_seq >= 2 for frame in bench.relay.frames))
    assert [task.text for task in bench.agent.runs] == ["quick"]


async def test_words_of_the_longest_length_fit_and_are_in_the_thread(bench: Bench) -> None:
    text = "quick " + "ä" * ((48 * 1024 - 6) // 2)
    sent = await bench.phone.sends(text)
    await bench.phone.sees_end(sent.task_id)

    accepted = (await bench.phone.sees(sent.task_id, "accepted")).accepted

    assert pb.Action.FromString(accepted.action).task.text == text
    assert accepted.signature
