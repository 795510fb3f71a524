"""What a yes holds for: the same rule on the same permissions, for as long as was said, and not without them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host.agents import Allowed, Reach, Result, canonical
from dispatch_host.permissions.permission import NETWORK, TERMINAL

from tests.support.host_bench import Bench
from tests.support.questions import TERMINAL_PERMISSION, approval, asked, ready_to_start_programs


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs, has a session with its phone, and may start programs."""
    async with Bench(tmp_path) as bench:
        yield await ready_to_start_programs(bench)


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


async def test_one_rule_is_not_another_of_the_same_words(bench: Bench) -> None:
    """`make in /srv/x` in /srv/q reads like `make` in "/srv/x in /srv/q"."""
    first = approval(of=["make in /srv/x", "/srv/q"])
    second = approval(of=["make", "/srv/x in /srv/q"])
    task_id, question = await asked(bench, first, first, second)
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_TASK)
    assert await bench.phone.posts(yes) is None

    await bench.relay.until(lambda: bench.phone.kinds(task_id).count("question") == 2)
    assert bench.agent.heard == [Allowed(Reach.TASK, "pocket")] * 2


async def test_a_rule_is_taken_back_by_its_words(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    yes = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
    assert await bench.phone.posts(yes) is None
    await bench.phone.sees_end(task_id)

    async with bench.control() as control:
        assert await control.revoke_rule("run pytest in /code/x")
        assert not await control.revoke_rule("run pytest in /code/x")


async def test_what_a_phone_allowed_always_goes_with_its_pairing(bench: Bench) -> None:
    task_id, question = await asked(bench, approval(), Result("done"))
    always = bench.phone.answer(task_id, question.question_id, approval=pb.APPROVAL_ALWAYS)
    assert await bench.phone.posts(always) is None
    await bench.phone.sees_end(task_id)
    async with bench.control() as control:
        assert (await control.list_permissions()).always

        await control.unpair("pocket")

        assert not (await control.list_permissions()).always


async def test_no_yes_stands_in_for_a_permission(bench: Bench) -> None:
    async with bench.control() as control:
        await control.revoke_permission(TERMINAL_PERMISSION)
    sent = await bench.phone.sends("work")
    bench.agent.says("work", approval())

    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_NOT_PERMITTED)
    assert "terminal" in ended.text
    assert "question" not in bench.phone.kinds(sent.task_id)


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
