"""An agent asks: the phone and the host hear it, the first answer counts, and every question is closed exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device import question_words
from dispatch.device.telling import task_word
from dispatch_host.agents import (
    AgentEvent,
    Allowed,
    Approval,
    Choice,
    Denied,
    NobodyAnswered,
    NotDone,
    NotDoneReason,
    Reach,
    Result,
    Said,
    Step,
    canonical,
)
from dispatch_host.asking import MOST_TAKEN_BACK
from dispatch_host.at_work import STEPS
from dispatch_host.command import task_meant
from dispatch_host.limits import Limits
from dispatch_host.permissions.permission import NETWORK, TERMINAL
from dispatch_host.permissions_cli import without_effect
from dispatch_host.steps import Gone

from tests.support.host_bench import Bench, Deed
from tests.support.waiting import until_so

ACTION = canonical({"run": ["pytest", "-q"], "in": "/code/x"})
TERMINAL_PERMISSION = pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL)


def approval(action: bytes = ACTION, **changed: Any) -> Deed:
    said: dict[str, Any] = {
        "text": "Run pytest?",
        "action": action,
        "preview": "`pytest -q` in `/code/x`",
        "rule": "run pytest in /code/x",
        "permission": TERMINAL,
        "of": "tests",
    }
    return lambda _gate, ask, _words: ask.may(Approval(**(said | changed)))


def choice(text: str = "Which one?", choices: tuple[str, ...] = ("north", "south")) -> Deed:
    return lambda _gate, ask, _words: ask.which(Choice(text=text, choices=choices))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs, has a session with its phone, and may start programs."""
    async with Bench(tmp_path) as bench:
        await bench.ready()
        async with bench.control() as control:
            await control.allow_permission(TERMINAL_PERMISSION, 0)
        yield bench


async def asked(bench: Bench, *script: Deed | AgentEvent, text: str = "work") -> tuple[bytes, pb.Question]:
    """Send a task whose agent does this first; give its id, and its first question."""
    sent = await bench.phone.sends(text)
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says(text, *script)
    return sent.task_id, (await bench.phone.sees(sent.task_id, "question")).question


def answers_of(bench: Bench, task_id: bytes) -> list[pb.Answered]:
    return [event.answered for event in bench.phone.of(task_id) if event.HasField("answered")]


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


async def test_the_host_knows_which_question_was_shown_there(bench: Bench) -> None:
    await asked(bench, choice(), Result("done"))

    async def was_shown(*, shows: bool = False) -> list[bool]:
        return [one.shown for one in (await control.list_questions(shows=shows)).questions]

    async with bench.control() as control:
        assert [await was_shown(), await was_shown(shows=True), await was_shown()] == [[False], [False], [True]]


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


async def test_for_this_task_holds_for_the_same_rule_in_this_task_only(bench: Bench) -> None:
    task_id, question = await asked(
        bench, approval(), approval(canonical({"run": ["pytest", "-x"]})), approval(rule="run make"), text="first"
    )
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_TASK)
    assert await bench.phone.posts(yes) is None
    await bench.until(lambda: bench.phone.kinds(task_id).count("question") == 2)
    assert bench.agent.heard == [Allowed(Reach.TASK, "pocket"), Allowed(Reach.TASK, "pocket")]
    second = bench.phone.of(task_id)[-1].question
    assert second.rule == "run make"
    bench.agent.says("first", Result("done"))
    no = bench.phone.answer(task_id, second.question_id, approval=pb.APPROVAL_DENY)
    assert await bench.phone.posts(no) is None
    await bench.phone.sees_end(task_id)

    await asked(bench, approval(), text="the next task asks again")


async def test_always_holds_for_later_tasks_until_it_or_its_permission_is_taken_back(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"), text="first")
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
    assert await bench.phone.posts(yes) is None
    await bench.phone.sees_end(task_id)

    later = await bench.phone.sends("second")
    bench.agent.says("second", approval(), Result("done"))
    await bench.phone.sees_end(later.task_id)

    assert bench.agent.heard == [Allowed(Reach.ALWAYS, "pocket")] * 2
    assert "question" not in bench.phone.kinds(later.task_id)
    async with bench.control() as control:
        assert [(one.rule, one.by) for one in (await control.list_permissions()).always] == [
            ("run pytest in /code/x", "pocket")
        ]
        await control.revoke_permission(TERMINAL_PERMISSION)
        await control.allow_permission(TERMINAL_PERMISSION, 0)
        assert not (await control.list_permissions()).always
    await asked(bench, approval(), text="third")


async def test_a_rule_is_taken_back_by_its_words(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
    assert await bench.phone.posts(yes) is None
    await bench.phone.sees_end(task_id)

    async with bench.control() as control:
        assert await control.revoke_rule("run pytest in /code/x")
        assert not await control.revoke_rule("run pytest in /code/x")


async def test_no_yes_stands_in_for_a_permission(bench: Bench) -> None:
    async with bench.control() as control:
        await control.revoke_permission(TERMINAL_PERMISSION)
    sent = await bench.phone.sends("work")
    bench.agent.says("work", approval())

    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_NOT_PERMITTED)
    assert "terminal" in ended.text
    assert "question" not in bench.phone.kinds(sent.task_id)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (Result("without it"), Outcome.OUTCOME_DONE),
        (NotDone(NotDoneReason.NOBODY_ANSWERED, "It needs an answer."), Outcome.OUTCOME_TIMED_OUT),
    ],
)
async def test_a_timeout_is_no_denial(tmp_path: Path, end: Result | NotDone, outcome: Outcome.ValueType) -> None:
    async with Bench(tmp_path, limits=Limits(answer_seconds=0.2)) as bench:
        await bench.ready()
        task_id, question = await asked(bench, choice(), end)

        ended = await bench.phone.sees_end(task_id)

        assert ended.outcome == outcome
        assert bench.agent.heard == [NobodyAnswered()]
        (answered,) = answers_of(bench, task_id)
        assert (answered.reason, answered.by) == (Reason.REASON_NOBODY_ANSWERED, "")
        late = bench.phone.answer(task_id, question.question_id, text="north")
        assert await bench.phone.posts(late) == Reason.REASON_TASK_OVER


async def test_a_task_that_can_not_go_on_after_a_no_ends_as_denied(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), NotDone(NotDoneReason.PERSON_DENIED, "It was not allowed."))
    no = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_DENY)
    assert await bench.phone.posts(no) is None

    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_DENIED, Reason.REASON_PERSON_DENIED)


@pytest.mark.big
async def test_the_watchdog_stands_still_while_a_person_is_asked(tmp_path: Path) -> None:
    async with Bench(tmp_path, limits=Limits(watchdog_seconds=3.0, answer_seconds=4.0)) as bench:
        await bench.ready()
        bench.agent.says("work", choice(), Result("done"))
        sent = await bench.phone.sends("work")

        ended = await bench.phone.sees_end(sent.task_id)

        assert ended.outcome == Outcome.OUTCOME_DONE
        assert bench.agent.heard == [NobodyAnswered()]


async def test_cancel_works_while_a_person_is_asked_and_closes_the_question(bench: Bench) -> None:
    task_id, question = await asked(bench, approval())

    assert await bench.phone.posts(bench.phone.cancel(task_id)) is None
    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_CANCELLED_BY_PERSON)
    (answered,) = answers_of(bench, task_id)
    assert (answered.question_id, answered.reason) == (question.question_id, Reason.REASON_CANCELLED_BY_PERSON)
    assert bench.phone.kinds(task_id)[-2:] == ["answered", "ended"]
    async with bench.control() as control:
        assert not (await control.list_questions()).questions


async def test_a_question_is_closed_by_the_next_start_when_the_host_died(bench: Bench) -> None:
    task_id, _ = await asked(bench, approval())
    await bench.dies()

    await bench.runs()
    await bench.phone.shakes_hands()
    ended = await bench.phone.sees_end(task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_DIED)
    assert [one.reason for one in answers_of(bench, task_id)] == [Reason.REASON_HOST_DIED]


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


async def test_who_waits_is_told_when_the_task_before_it_begins_to_ask(bench: Bench) -> None:
    first = await bench.phone.sends("work")
    await bench.phone.sees(first.task_id, "started")
    second = await bench.phone.sends("quick one")
    assert not (await bench.phone.sees(second.task_id, "waiting")).waiting.asking

    bench.agent.says("work", choice(), Result("done"))

    await bench.relay.until(lambda: [one for one in bench.phone.of(second.task_id) if one.waiting.asking])
    assert bench.phone.of(second.task_id)[-1].waiting.asking_task_id == first.task_id


async def test_an_agent_that_does_not_wait_for_the_answer_leaves_no_question_open(bench: Bench) -> None:
    async def impatient(_gate: object, ask: Any, _words: object) -> str:
        asking = asyncio.ensure_future(ask.which(Choice(text="Which one?")))
        await bench.phone.sees(task_id, "question")
        asking.cancel()
        await asyncio.wait([asking])
        return "went on"

    task_id = (await bench.phone.sends("work")).task_id
    bench.agent.says("work", impatient, Result("done"))

    ended = await bench.phone.sees_end(task_id)

    assert ended.outcome == Outcome.OUTCOME_DONE
    assert [one.reason for one in answers_of(bench, task_id)] == [Reason.REASON_QUESTION_CLOSED]


async def test_an_agent_that_takes_its_questions_back_asks_nobody_any_more_until_a_person_has_answered(
    bench: Bench,
) -> None:
    """Each calls the person, and stands in the thread."""

    def are_asked(many: int) -> bool:
        return bench.phone.kinds(task_id).count("question") == many

    async def floods(_gate: object, ask: Any, _words: object) -> str:
        for many in range(1, MOST_TAKEN_BACK + 1):
            asking = asyncio.ensure_future(ask.which(Choice(text="Which one?")))
            await bench.until(partial(are_asked, many))
            asking.cancel()
            await asyncio.wait([asking])
        return repr(await ask.which(Choice(text="One more?")))

    task_id = (await bench.phone.sends("work")).task_id
    bench.agent.says("work", floods, Result("done"))

    await bench.phone.sees_end(task_id)

    assert bench.agent.heard == [repr(NobodyAnswered())]
    assert bench.phone.kinds(task_id).count("question") == MOST_TAKEN_BACK


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


async def test_a_preview_that_is_too_long_for_one_event_stands_whole_before_the_question(bench: Bench) -> None:
    preview = "".join(f"- `old name {number}` → `new name {number}`\n" for number in range(4_000))

    task_id, question = await asked(bench, approval(preview=preview))

    steps = [event.step.detail for event in bench.phone.of(task_id) if event.HasField("step")]
    assert "".join(steps) == preview
    assert str(len(steps)) in question.preview


async def test_the_audit_log_says_what_was_used_asked_and_refused(bench: Bench) -> None:
    async def uses(gate: Any, _ask: object, _words: object) -> None:
        await gate.use(TERMINAL, "pytest")

    task_id, question = await asked(bench, uses, approval(), approval(), Result("done"))
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_TASK)
    assert await bench.phone.posts(yes) is None
    await bench.phone.sees_end(task_id)

    async with bench.control() as control:
        lines = [line async for line in control.read_audit(0, task_id)]
        newest = [line async for line in control.read_audit(1, b"")]
    digest = question.action_digest[:8].hex()
    assert [(line.permission, line.subject, line.verdict, line.by) for line in lines] == [
        ("terminal", "pytest", host_pb2.AUDIT_VERDICT_ALLOWED, ""),
        ("run pytest in /code/x", f"Run pytest? (action {digest})", host_pb2.AUDIT_VERDICT_APPROVED, "pocket"),
        ("run pytest in /code/x", "Run pytest?", host_pb2.AUDIT_VERDICT_BY_RULE, "pocket"),
    ]
    assert newest == lines[-1:]


async def test_what_is_taken_back_while_a_question_is_open_ends_its_task_and_no_answer_makes_a_rule(
    bench: Bench,
) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    async with bench.control() as control:
        assert await control.revoke_permission(TERMINAL_PERMISSION)
        ended = await bench.phone.sees_end(task_id)
        always = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
        assert await bench.phone.posts(always) is not None
        await control.allow_permission(TERMINAL_PERMISSION, 0)

        assert ended.reason == Reason.REASON_PERMISSION_TAKEN_BACK
        assert ended.text.endswith("It was: terminal. Nothing was done with it: a person was asked.")
        assert not (await control.list_permissions()).always
    assert bench.agent.heard == []


async def test_a_rule_stands_on_everything_that_its_action_takes(bench: Bench) -> None:
    """With the network taken back and given again, what was allowed always with it asks anew."""
    network = pb.Permission(kind=pb.PERMISSION_KIND_NETWORK)
    async with bench.control() as control:
        await control.allow_permission(network, 0)
        task_id, question = await asked(bench, approval(also=(NETWORK,)), Result("done"))
        always = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
        assert await bench.phone.posts(always) is None
        await bench.phone.sees_end(task_id)
        assert (await control.list_permissions()).always

        await control.revoke_permission(network)
        await control.allow_permission(network, 0)

        assert not (await control.list_permissions()).always
    task_id, _ = await asked(bench, approval(also=(NETWORK,)), text="again")
    assert bench.phone.kinds(task_id)[-1] == "question"


async def test_one_rule_is_not_another_of_the_same_words(bench: Bench) -> None:
    """`make in /srv/x` in /srv/q reads like `make` in "/srv/x in /srv/q"."""
    first = approval(of=["make in /srv/x", "/srv/q"])
    second = approval(of=["make", "/srv/x in /srv/q"])
    task_id, question = await asked(bench, first, first, second)
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_TASK)
    assert await bench.phone.posts(yes) is None

    await bench.relay.until(lambda: bench.phone.kinds(task_id).count("question") == 2)
    assert bench.agent.heard == [Allowed(Reach.TASK, "pocket")] * 2


async def test_what_a_phone_allowed_always_goes_with_its_pairing(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    always = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
    assert await bench.phone.posts(always) is None
    await bench.phone.sees_end(task_id)
    async with bench.control() as control:
        assert (await control.list_permissions()).always

        await control.unpair("pocket")

        assert not (await control.list_permissions()).always


async def test_a_cancel_does_not_wait_for_an_agent_that_takes_its_time_and_nothing_is_permitted_to_it_any_more(
    bench: Bench,
) -> None:
    """Ended was a task only when its agent had let go of it: one that cleaned up for long held the host's one pair of hands."""
    let_go = asyncio.Event()
    refused: list[object] = []

    async def cleans_up(gate: Any, _ask: object, _words: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await let_go.wait()
            try:
                await gate.use(TERMINAL, "rm")
            except errors.NotPermitted as failure:
                refused.append((failure, list(gate.folders)))
            raise

    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says("work", cleans_up)
    await bench.is_quiet()

    assert await bench.phone.posts(bench.phone.cancel(sent.task_id)) is None
    ended = await bench.phone.sees_end(sent.task_id)
    quick = await bench.phone.sends("quick one")
    assert (await bench.phone.sees_end(quick.task_id)).outcome == Outcome.OUTCOME_DONE

    assert ended.outcome == Outcome.OUTCOME_CANCELLED
    assert not bench.agent.closed or "work" not in bench.agent.closed
    let_go.set()
    await bench.until(lambda: refused)
    assert refused[0][1] == []  # type: ignore[index]  # a pair


async def test_words_reach_the_running_agent_and_the_thread_says_so(bench: Bench) -> None:
    async def listens(_gate: object, _ask: object, words: Any) -> object:
        heard: list[str] = []

        async def hears() -> bool:
            heard.extend(await words.take())
            return bool(heard)

        await until_so(hears)
        return heard

    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says("work", listens, Result("done"))

    assert await bench.phone.posts(bench.phone.steer(sent.task_id, "only the PDFs")) is None
    await bench.phone.sees_end(sent.task_id)

    assert bench.agent.heard == [["only the PDFs"]]
    assert (await bench.phone.sees(sent.task_id, "steered")).steered.text == "only the PDFs"


async def test_words_that_the_agent_never_took_are_said_to_have_come_too_late(bench: Bench) -> None:
    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    assert await bench.phone.posts(bench.phone.steer(sent.task_id, "only the PDFs")) is None
    await bench.is_quiet()

    bench.agent.says("work", Result("done"))
    await bench.phone.sees_end(sent.task_id)

    refused = (await bench.phone.sees(sent.task_id, "steer_refused")).steer_refused
    assert (refused.text, refused.reason) == ("only the PDFs", Reason.REASON_TASK_OVER)
    assert await bench.phone.posts(bench.phone.steer(sent.task_id, "more")) == Reason.REASON_TASK_OVER


async def test_a_task_that_waits_or_whose_agent_takes_no_words_is_not_steered(bench: Bench) -> None:
    running = await bench.phone.sends("work")
    await bench.phone.sees(running.task_id, "started")
    waiting = await bench.phone.sends("later")
    await bench.phone.sees(waiting.task_id, "waiting")
    assert await bench.phone.posts(bench.phone.steer(waiting.task_id, "more")) == Reason.REASON_NOT_STEERABLE

    await bench.dies()
    bench.agent.takes_words = False
    await bench.runs()
    await bench.phone.shakes_hands()
    again = await bench.phone.sends("once more")
    await bench.phone.sees(again.task_id, "started")

    assert await bench.phone.posts(bench.phone.steer(again.task_id, "more")) == Reason.REASON_NOT_STEERABLE


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


async def test_a_task_is_meant_by_the_beginning_of_its_id(bench: Bench) -> None:
    sent = await bench.phone.sends("work")
    await bench.phone.sees(sent.task_id, "started")
    whole = task_word(sent.task_id)
    async with bench.control() as control:
        for said in (whole, whole[:8], whole[:4].upper(), whole.replace("-", "")):
            assert await task_meant(control, said) == sent.task_id
        with pytest.raises(errors.TaskUnknown):
            await task_meant(control, "0000" if not whole.startswith("0000") else "1111")
        with pytest.raises(errors.BadRequest):
            await task_meant(control, "work")
    bench.agent.says("work", Result("done"))
    await bench.phone.sees_end(sent.task_id)


async def test_a_permission_that_allows_nothing_yet_is_said_to_when_it_is_given(bench: Bench) -> None:
    network = {"permission": "network", "name": ""}
    async with bench.control() as control:
        assert await without_effect(control, network) == ""
        await control.revoke_permission(TERMINAL_PERMISSION)
        assert "permissions allow terminal" in await without_effect(control, network)
        assert "no connector is called nosuch" in await without_effect(
            control, {"permission": "connector", "name": "nosuch/read"}
        )
