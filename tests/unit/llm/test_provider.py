"""Whatever a model provider does, a task ends once, with an answer or with why not; in the words of both kinds of providers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from dispatch_host.agents import NotDone, NotDoneReason, Result, Step, Task, Text, Turn
from dispatch_host.agents.llm.limits import Patience

from tests.support.agents import Nobody, SaidMeanwhile, leaves_nothing
from tests.support.model_server import Asked, Call, CutOff, Fault, ModelServer, Never, Raw, Reply, Say
from tests.support.waiting import DEADLINE_SECONDS
from tests.unit.llm.conftest import KEY, Desk


async def test_an_answer_is_shown_as_it_comes_and_is_the_result(desk: Desk) -> None:
    desk.server.says(Say("The **largest** file is `a.pdf`, with 3 MB."))

    end = await desk.does("which file is largest?")

    assert end == Result("The **largest** file is `a.pdf`, with 3 MB.")
    assert desk.shown == "The **largest** file is `a.pdf`, with 3 MB."
    assert sum(isinstance(event, Text) for event in desk.events) > 1
    asked = desk.server.asked[0]
    assert KEY in (asked.headers.get("authorization", "") + asked.headers.get("x-api-key", ""))
    assert KEY not in asked.said
    assert "which file is largest?" in asked.said


async def test_what_it_calls_is_done_and_told_to_it_and_to_the_person(desk: Desk) -> None:
    (desk.files / "notes.txt").write_text("Project Apollo is late.\n")
    desk.server.says(Say("I look.", [Call("read_file", {"file": "files/notes.txt"})]), Say("It is late."))

    end = await desk.does("how is apollo?")

    assert end == Result("It is late.", {"did": ['read file {"file": "files/notes.txt"}']})
    assert "Project Apollo is late." in desk.given[0]
    assert desk.steps == ["I look.", "read file"]


async def test_several_calls_of_one_answer_are_each_answered(desk: Desk) -> None:
    (desk.files / "one.txt").write_text("first")
    (desk.files / "two.txt").write_text("second")
    calls = [Call("read_file", {"file": f"files/{name}.txt"}) for name in ("one", "two")]
    desk.server.says(Say(calls=calls), Say("Both."))

    await desk.does("read both")

    assert [("first" in given, "second" in given) for given in desk.given] == [(True, False), (False, True)]


async def test_the_thread_is_its_memory(desk: Desk) -> None:
    desk.server.says(Say("The second one is b.pdf."))
    history = [
        Turn("list my pdfs", "done", "1. a.pdf\n2. b.pdf", {"did": ["find files"]}),
        Turn("delete them", "failed", "That is not possible."),
    ]

    await desk.does("and the second one?", history=history)

    said = desk.server.asked[0].said
    assert all(word in said for word in ("list my pdfs", "b.pdf", "(Called: find files)", "ended as failed"))
    roles = [one["role"] for one in desk.server.asked[0].body["messages"] if one["role"] != "system"]
    assert roles == ["user", "assistant"] * 2 + ["user"]


async def test_a_long_thread_is_cut_from_its_beginning(desk: Desk) -> None:
    desk.server.says(Say("Yes."))
    history = [Turn(f"request {number} " + "x" * 10_000, "done", "y" * 10_000) for number in range(40)]

    await desk.does("still there?", history=history)

    said = desk.server.asked[0].said
    assert "request 39 " in said
    assert "request 30 " not in said
    assert len(said) < 120_000


async def test_words_added_meanwhile_reach_it_with_the_next_request(desk: Desk) -> None:
    meanwhile = SaidMeanwhile()

    def adds(_: Asked) -> Reply:
        meanwhile.says("only the PDFs")
        return Say("I look.", [Call("list_folder", {"folder": "files"})])

    desk.server.says(adds, Say("Only PDFs, then."))

    end = await desk.does("list everything", words=meanwhile)

    assert isinstance(end, Result)
    assert "only the PDFs" not in desk.server.asked[0].said
    assert "only the PDFs" in desk.server.asked[1].said


async def test_words_that_come_with_its_last_answer_are_answered_too(desk: Desk) -> None:
    meanwhile = SaidMeanwhile()

    def adds(_: Asked) -> Reply:
        meanwhile.says("in French, please")
        return Say("Done.")

    desk.server.says(adds, Say("C'est fait."))

    assert await desk.does("do it", words=meanwhile) == Result("C'est fait.")
    assert desk.steps == ["Done."]


@pytest.mark.parametrize(
    ("fault", "reason", "word"),
    [
        (Fault(401, "authentication_error"), NotDoneReason.AGENT_UNAVAILABLE, "key"),
        (Fault(403, "permission_error"), NotDoneReason.AGENT_UNAVAILABLE, "key"),
        (Fault(404, "not_found_error", "model_not_found"), NotDoneReason.AGENT_UNAVAILABLE, "does not know the model"),
        (Fault(402, "billing_error", "insufficient_quota"), NotDoneReason.AGENT_UNAVAILABLE, "nothing left to spend"),
        (Fault(400, "invalid_request_error"), NotDoneReason.AGENT_FAILED, "refused"),
    ],
)
async def test_what_can_not_be_mended_by_waiting_ends_the_task_at_once(
    desk: Desk, fault: Fault, reason: NotDoneReason, word: str
) -> None:
    desk.server.says(fault)

    end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert end.reason is reason
    assert word in end.text
    assert fault.message not in end.text
    assert len(desk.server.asked) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Fault(429, "rate_limit_error", headers={"retry-after": "0"}),
        Fault(500),
        Fault(503, "overloaded_error"),
        Fault(529, "overloaded_error"),
        CutOff("Half an ans"),
        CutOff("Half an ans", in_order=True),
        Raw(b"data: {broken\n\n"),
        Raw(b"event: message_start\ndata: {broken\n\n"),
        Raw(b"data: [1]\n\n", in_order=False),
        Raw(b'data: {"choices": "none"}\n\n'),
        Raw(b""),
    ],
)
async def test_what_may_be_over_soon_is_tried_again(desk: Desk, trouble: Reply) -> None:
    desk.server.says(trouble, trouble, Say("Here I am."))

    end = await desk.does("hello")

    assert end == Result("Here I am.")
    assert len(desk.server.asked) == 3


async def test_a_provider_that_stays_in_trouble_is_given_up(desk: Desk) -> None:
    desk.server.usual = lambda _: Fault(529, "overloaded_error")

    end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert (end.reason, "overloaded" in end.text, "3 times" in end.text) == (
        NotDoneReason.AGENT_UNAVAILABLE,
        True,
        True,
    )


async def test_a_redirect_is_not_followed(desk: Desk) -> None:
    async with ModelServer() as elsewhere:
        desk.server.usual = lambda _: Fault(307, headers={"location": f"{elsewhere.address}/v1/messages"})

        end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert elsewhere.asked == []


async def test_a_provider_that_nobody_can_reach_is_given_up(desk: Desk) -> None:
    desk.set(base_url="http://127.0.0.1:1/v1")

    end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert (end.reason, "can't be reached" in end.text) == (NotDoneReason.AGENT_UNAVAILABLE, True)
    assert "http://127.0.0.1:1. " in end.text
    assert "base_url in agents.toml" in end.text


async def test_a_break_is_as_long_as_the_provider_asks_and_too_long_a_one_ends_the_task(desk: Desk) -> None:
    patience = Patience()
    assert patience.wait_seconds(1, 7.0) == 7.0
    assert [patience.wait_seconds(failed, None) for failed in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 8.0, None]
    desk.server.says(Fault(429, "rate_limit_error", headers={"retry-after": "3600"}))

    end = await desk.does("hello")

    assert isinstance(end, NotDone)
    assert "3600 s" in end.text
    assert len(desk.server.asked) == 1


async def test_whoever_waits_for_a_provider_is_told(desk: Desk) -> None:
    desk.server.says(Fault(500), Fault(500))

    running = desk.agent(Patience(first_seconds=3600.0, longest_seconds=3600.0)).run(
        Task("task-1", "hello"), gate=desk.gate, history=[], ask=Nobody(), words=SaidMeanwhile()
    )
    async with leaves_nothing(), aclosing(running) as events:
        first = await anext(events)

    assert first == Step("The model provider has a fault. Asked again in 3600 s.")


async def test_an_answer_without_words_or_one_that_is_cut_is_not_passed_off_as_done(desk: Desk) -> None:
    desk.server.says(Say(""), Say("It goes like th", finish="length"), Say("I can", finish="content_filter"))

    nothing, cut, filtered = [await desk.does("hello") for _ in range(3)]

    assert [end.reason for end in (nothing, cut, filtered) if isinstance(end, NotDone)] == [
        NotDoneReason.AGENT_FAILED,
        NotDoneReason.LIMIT_REACHED,
        NotDoneReason.AGENT_FAILED,
    ]
    assert cut.text.startswith("It goes like th")


@pytest.mark.big
async def test_a_model_that_never_stops_calling_ends_by_the_limit(desk: Desk) -> None:
    desk.set(requests=7)
    desk.server.usual = lambda _: Say(calls=[Call("list_folder", {"folder": "files"})])

    end = await desk.does("go on for ever")

    assert isinstance(end, NotDone)
    assert (end.reason, len(desk.server.asked)) == (NotDoneReason.LIMIT_REACHED, 7)
    assert "7 times" in end.text


async def test_tokens_are_limited_too(desk: Desk) -> None:
    desk.set(tokens=1000)
    desk.server.usual = lambda _: Say(calls=[Call("list_folder", {"folder": "files"})], tokens=(400, 100))

    end = await desk.does("go on for ever")

    assert isinstance(end, NotDone)
    assert (end.reason, len(desk.server.asked)) == (NotDoneReason.LIMIT_REACHED, 2)


async def test_too_many_calls_in_one_answer_are_not_all_done(desk: Desk) -> None:
    desk.server.says(Say(calls=[Call("ask_person", {"question": "Well?"})] * 40), Say("Enough."))
    ask = Nobody()

    await desk.does("ask a lot", ask=ask)

    assert len(ask.asked) == 32
    assert len(desk.given) == 40


async def test_a_conversation_too_long_for_the_model_is_shortened(desk: Desk) -> None:
    (desk.files / "long.txt").write_text("a line of a long text\n" * 2000)
    too_long = Fault(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        message="prompt is too long: 300000 tokens > 200000 maximum",
    )
    desk.server.says(
        Say(calls=[Call("read_file", {"file": "files/long.txt"})]),
        *[too_long] * 6,
        Say("It is long."),
    )

    assert await desk.does("what is in it?") == Result("It is long.", {"did": ['read file {"file": "files/long.txt"}']})
    assert "Left out" in desk.given[0]


async def test_closing_it_ends_the_request(desk: Desk) -> None:
    desk.server.says(Never("I think"))
    running = desk.agent().run(Task("task-1", "hello"), gate=desk.gate, history=[], ask=Nobody(), words=SaidMeanwhile())

    async with leaves_nothing():
        assert isinstance(await anext(running), Text)
        await running.aclose()

    async with asyncio.timeout(DEADLINE_SECONDS):
        await desk.server.left.wait()


@pytest.mark.big
async def test_calls_that_are_nonsense_are_told_to_the_model_and_nobody_else(desk: Desk) -> None:
    nonsense = [
        Call("no_such_tool", {"a": 1}),
        Call("read_file", written="{not json"),
        Call("read_file", written="[1, 2]"),
        Call("read_file"),
        Call("read_file", {"file": 7}),
        Call("read_file", {"file": "files/a.txt", "colour": "red"}),
        Call("read_file", {"file": "a" * 100_000}),
        Call("read_file", {"file": "files/a.txt", "skip": -1}),
        Call("find_files", {"changed_since": "yesterday"}),
        Call("list_folder", {"folder": "files\0"}),
    ]
    desk.server.says(Say(calls=nonsense), Say("I give up."))

    assert isinstance(await desk.does("hello"), Result)
    assert len(desk.given) == len(nonsense)
    assert all(given.startswith("Not done") for given in desk.given)
