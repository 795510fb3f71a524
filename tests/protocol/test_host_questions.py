"""An agent asks: the phone and the host are shown the whole question, and the first answer counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device import question_words
from dispatch_host.agents import Allowed, Denied, NotDone, NotDoneReason, Reach, Result, Said, Step
from dispatch_host.at_work import STEPS
from dispatch_host.steps import Gone

from tests.support.host_bench import Bench
from tests.support.questions import answers_of, approval, asked, choice, ready_to_start_programs


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs, has a session with its phone, and may start programs."""
    async with Bench(tmp_path) as bench:
        yield await ready_to_start_programs(bench)


async def test_an_approval_shows_the_whole_action_and_is_bound_to_its_digest(bench: Bench) -> None:
    task_id, question = await asked(bench, Step("Looked", ""), approval())

    assert (question.text, question.preview) == ("Run pytest?", "`pytest -q` in `/code/x`")
    assert question.action_digest == sha256(b'{"in":"/code/x","run":["pytest","-q"]}').digest()
    assert question.rule == "run pytest in /code/x"
    assert question.answer_within_ms == 600_000
    assert bench.phone.kinds(task_id) == ["accepted", "started", "step", "question"]
    row = next(row for row in bench.relay.kept if row.push_hint == PushHint.PUSH_HINT_QUESTION)
    assert row.task_id == task_id
    assert b"pytest" not in row.SerializeToString()


async def test_a_preview_that_is_too_long_for_one_event_stands_whole_before_the_question(bench: Bench) -> None:
    preview = "".join(f"- `old name {number}` → `new name {number}`\n" for number in range(4_000))

    task_id, question = await asked(bench, approval(preview=preview))

    steps = [event.step.detail for event in bench.phone.of(task_id) if event.HasField("step")]
    assert "".join(steps) == preview
    assert question.parts == len(steps)
    assert str(len(steps)) in question.preview


async def test_of_a_flood_of_steps_so_many_are_in_the_thread_and_a_question_is_still_shown_whole(bench: Bench) -> None:
    flood = [Step(f"step {number}", "") for number in range(STEPS + 200)]

    task_id, question = await asked(bench, *flood, approval(preview="x" * 100_000))

    titles = [event.step.title for event in bench.phone.of(task_id) if event.HasField("step")]
    parts = [title for title in titles if question_words.is_part_title(title)]
    assert len(titles) == STEPS + len(parts)
    assert titles[STEPS - 1] == "It does more than is told here"
    assert f"in the {len(parts)} steps before" in question.preview


async def test_no_step_of_an_agent_poses_as_a_part_of_what_the_host_asks_about(bench: Bench) -> None:
    task_id, _ = await asked(bench, Step(question_words.part_title(1, 1), "harmless"), approval())

    (step,) = [event.step for event in bench.phone.of(task_id) if event.HasField("step")]
    assert not question_words.is_part_title(step.title)


async def test_the_host_knows_which_question_was_shown_there(bench: Bench) -> None:
    await asked(bench, choice(), Result("done"))

    async def was_shown(*, shows: bool = False) -> list[bool]:
        return [one.shown for one in (await control.list_questions(shows=shows)).questions]

    async with bench.control() as control:
        assert [await was_shown(), await was_shown(shows=True), await was_shown()] == [[False], [False], [True]]


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (pb.APPROVAL_ONCE, Allowed(Reach.ONCE, "pocket")),
        (pb.APPROVAL_TASK, Allowed(Reach.TASK, "pocket")),
        (pb.APPROVAL_ALWAYS, Allowed(Reach.ALWAYS, "pocket")),
        (pb.APPROVAL_DENY, Denied("pocket")),
    ],
)
async def test_the_agent_hears_what_the_phone_said(bench: Bench, said: pb.Approval.ValueType, reply: object) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))

    assert await bench.phone.posts(bench.phone.answer(task_id, question.question_id, approval=said)) is None
    ended = await bench.phone.sees_end(task_id)

    assert ended.outcome == Outcome.OUTCOME_DONE
    assert bench.agent.heard == [reply]
    (answered,) = answers_of(bench, task_id)
    assert (answered.question_id, answered.approval, answered.by) == (question.question_id, said, "pocket")


async def test_a_choice_is_answered_on_the_host_as_well(bench: Bench) -> None:
    task_id, question = await asked(bench, choice(), Result("done"))
    async with bench.control() as control:
        (listed,) = (await control.list_questions()).questions
        assert (listed.task_id, listed.question, listed.task_text) == (task_id, question, "work")
        assert [one.task_id for one in (await control.status()).questions] == [task_id]
        with pytest.raises(errors.BadRequest):
            await control.answer_question(task_id, pb.Answer(question_id=question.question_id, text="east"))
        with pytest.raises(errors.QuestionClosed):
            await control.answer_question(task_id, pb.Answer(text="south"))
        await control.answer_question(task_id, pb.Answer(question_id=question.question_id, text="south"))
        await bench.phone.sees_end(task_id)
        with pytest.raises(errors.TaskOver):
            await control.answer_question(task_id, pb.Answer(text="south"))
        with pytest.raises(errors.TaskUnknown):
            await control.answer_question(bytes(16), pb.Answer(text="south"))

    assert bench.agent.heard == [Said("south", "desk")]
    assert [(one.text, one.by) for one in answers_of(bench, task_id)] == [("south", "desk")]


async def test_words_answer_a_question_without_choices(bench: Bench) -> None:
    task_id, question = await asked(bench, choice("What name?", ()), Result("done"))

    assert await bench.phone.posts(bench.phone.answer(task_id, question.question_id, text="Räksmörgås")) is None

    await bench.phone.sees_end(task_id)
    assert bench.agent.heard == [Said("Räksmörgås", "pocket")]


async def test_what_fits_no_answer_or_no_open_question_is_declined(bench: Bench) -> None:
    task_id, question = await asked(bench, choice(), approval(rule=""), Result("done"))
    phone, first = bench.phone, question.question_id

    assert await phone.posts(phone.answer(task_id, first, text="east")) == Reason.REASON_BAD_REQUEST
    assert await phone.posts(phone.answer(task_id, first, approval=pb.APPROVAL_ONCE)) == Reason.REASON_BAD_REQUEST
    assert await phone.posts(phone.answer(task_id, bytes(16), text="north")) == Reason.REASON_QUESTION_CLOSED
    assert await phone.posts(phone.answer(bytes(16), first, text="north")) == Reason.REASON_TASK_UNKNOWN
    assert await phone.posts(phone.answer(task_id, first, text="north")) is None
    await bench.until(lambda: phone.kinds(task_id).count("question") == 2)
    second = phone.of(task_id)[-1].question.question_id
    assert await phone.posts(phone.answer(task_id, first, text="south")) == Reason.REASON_QUESTION_CLOSED
    # Nothing would be remembered: there is no rule.
    assert await phone.posts(phone.answer(task_id, second, approval=pb.APPROVAL_ALWAYS)) == Reason.REASON_BAD_REQUEST
    assert await phone.posts(phone.answer(task_id, second, approval=pb.APPROVAL_ONCE)) is None

    await phone.sees_end(task_id)
    assert bench.agent.heard == [Said("north", "pocket"), Allowed(Reach.ONCE, "pocket")]
    assert await phone.posts(phone.answer(task_id, second, approval=pb.APPROVAL_ONCE)) == Reason.REASON_TASK_OVER


async def test_of_two_answers_that_cross_the_first_counts_and_the_thread_says_whose(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    bench.relay.verdict = "hold"
    no = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_DENY)
    assert await bench.phone.posts(no) is None  # taken, and then somebody at the host is quicker
    async with bench.control() as control:
        yes = pb.Answer(question_id=question.question_id, approval=pb.APPROVAL_ONCE)
        await control.answer_question(task_id, yes)
    await bench.phone.sees_end(task_id)

    await bench.relay.go(no.message_id)
    await bench.is_quiet()

    assert [(one.approval, one.by) for one in answers_of(bench, task_id)] == [(pb.APPROVAL_ONCE, "desk")]
    assert bench.agent.heard == [Allowed(Reach.ONCE, "desk")]


async def test_an_answer_to_a_task_that_never_was_says_so_and_one_to_a_task_that_asks_nothing_too(bench: Bench) -> None:
    nothing = pb.Answer(question_id=bytes(16))
    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    async with bench.control() as control:
        with pytest.raises(errors.TaskUnknown):
            await control.answer_question(b"never was there!", nothing)
        with pytest.raises(errors.QuestionClosed):
            await control.answer_question(sent.task_id, nothing)
    bench.agent.says("work", Result("done"))
    await bench.phone.sees_end(sent.task_id)


async def test_an_answer_is_heard_though_the_stream_broke_when_it_was_on_the_disk(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    bench.relay.verdict = "hold"
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ONCE)
    assert await bench.phone.posts(yes) is None

    bench.relay.silence_ms = 2_000
    await bench.relay.cut()
    await bench.relay.attached()
    on_the_disk = bench.disk.stalls(behind=Gone)
    await bench.relay.go(yes.message_id)
    await on_the_disk.wait()
    await bench.relay.detached()
    bench.disk.goes_on()
    bench.relay.silence_ms = 65_000

    await bench.phone.sees_end(task_id)
    assert bench.agent.heard == [Allowed(Reach.ONCE, "pocket")]


async def test_a_task_that_can_not_go_on_after_a_no_ends_as_denied(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), NotDone(NotDoneReason.PERSON_DENIED, "It was not allowed."))
    no = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_DENY)
    assert await bench.phone.posts(no) is None

    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_DENIED, Reason.REASON_PERSON_DENIED)


async def test_who_waits_is_told_when_the_task_before_it_begins_to_ask(bench: Bench) -> None:
    first = await bench.phone.sends("work")
    await bench.phone.sees(first.task_id, "started")
    second = await bench.phone.sends("quick one")
    assert not (await bench.phone.sees(second.task_id, "waiting")).waiting.asking

    bench.agent.says("work", choice(), Result("done"))

    await bench.relay.until(lambda: [one for one in bench.phone.of(second.task_id) if one.waiting.asking])
    assert bench.phone.of(second.task_id)[-1].waiting.asking_task_id == first.task_id
