"""A phone answers what a task asks and adds words to it; what came of that is the host's own word."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.proof import device_id
from mobile_sim.desk import Desk

from tests.support.host_end import HostEnd
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone, send_request
from tests.support.waiting import DEADLINE_SECONDS, until, until_so

Event = dict[str, Any]


class Working(HostEnd):
    """A host that asks about each task, and says of each answer and each word what the test wants said."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.question = words.Question(
            question_id=os.urandom(16), text="Run it?", action_digest=bytes(32), preview="`make`", rule="run make"
        )
        self.other: words.Answered | None = None  # who was first instead
        self.then = ""  # what is asked as soon as there is an answer
        self.takes = True
        self.answers: list[words.Answer] = []

    async def asks(self, task_id: str, text: str) -> bytes:
        """Ask another question; gives its id."""
        asked = words.Question(question_id=os.urandom(16), text=text, action_digest=bytes(32))
        await self.say(task_id=UUID(task_id).bytes, question=asked)
        return asked.question_id

    async def takes_back_and_asks(self, task_id: str, text: str) -> bytes:
        """Be asked by an agent that withdraws its question, and has another at once."""
        closed = words.Answered(question_id=self.question.question_id, reason=Reason.REASON_QUESTION_CLOSED)
        await self.say(task_id=UUID(task_id).bytes, answered=closed)
        return await self.asks(task_id, text)

    async def _run(self, command: words.UpCommand) -> None:
        action, task_id = words.Action.FromString(command.action), command.task_id
        match action.WhichOneof("action"):
            case "task":
                await self.accept(command)
                await self.say(task_id=task_id, started=words.Started(agent="by hand"))
                await self.say(task_id=task_id, question=self.question)
            case "answer":
                self.answers.append(action.answer)
                said = action.answer
                answered = words.Answered(
                    question_id=said.question_id, approval=said.approval, text=said.text, by="pocket"
                )
                await self.say(task_id=task_id, answered=self.other or answered)
                if self.then:
                    await self.asks(str(UUID(bytes=task_id)), self.then)
                    self.then = ""
            case "steer":
                if self.takes:
                    await self.say(task_id=task_id, steered=words.Steered(text=action.steer.text))
                else:
                    refused = words.SteerRefused(text=action.steer.text, reason=Reason.REASON_TASK_OVER)
                    await self.say(task_id=task_id, steer_refused=refused)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay", settings=replace(QUICK, lease_ms=60_000)) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path) -> SeededPhone:
    made = SeededPhone.make(tmp_path / "phone")
    made.patience = replace(UNHURRIED, sync_seconds=DEADLINE_SECONDS, cancelled_seconds=DEADLINE_SECONDS)
    return made


@pytest.fixture
async def host(phone: SeededPhone, relay: Relay) -> AsyncIterator[Working]:
    mind, device = phone.pair(relay.trust, [relay.address])
    working = Working(mind, device, relay.address)
    async with working:
        yield working


async def asked(desk: Desk) -> tuple[str, Event]:
    """Send a task and watch it until it asks; gives its id, and the question."""
    events: list[Event] = []
    request = send_request("build it")
    sending = asyncio.create_task(desk.do(request, say=events.append, hear=_nobody))
    await until(lambda: [event for event in events if event["event"] == "asking"])
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return request["id"], next(event for event in events if event["event"] == "asking")


async def do(desk: Desk, **request: Any) -> tuple[int, list[Event]]:
    events: list[Event] = []
    return await desk.do(request, say=events.append, hear=_nobody), events


async def hears(desk: Desk, text: str) -> None:
    """Wait until this phone knows that this is asked, without showing it to anybody."""

    async def heard() -> bool:
        _, listed = await do(desk, do="tasks", host=None, limit=9)
        return text in {task.get("asks") for task in listed}

    await until_so(heard)


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")


async def test_an_answer_is_signed_for_exactly_the_question_and_the_host_says_that_it_counts(
    phone: SeededPhone, host: Working
) -> None:
    async with phone.desk() as desk:
        task_id, question = await asked(desk)
        assert question["choices"] == ["once", "task", "always", "deny"]
        assert question["detail"] == "`make`"

        code, events = await do(desk, do="answer", id=task_id, answer="always")

    assert (code, [event["event"] for event in events]) == (0, ["answered"])
    assert (events[0]["text"], events[0]["by"], events[0]["host"]) == ("always", "pocket", "desk")
    assert host.answers == [words.Answer(question_id=host.question.question_id, approval=words.APPROVAL_ALWAYS)]


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (words.Question(action_digest=bytes(32), rule="run make"), "once|task|always|deny"),
        (words.Question(action_digest=bytes(32)), "once|deny"),
        (words.Question(choices=["north.csv", "south.csv"]), "1|2"),
        (words.Question(), "WORDS"),
    ],
    ids=["approval with a rule", "approval", "choice", "words"],
)
async def test_a_list_says_of_a_task_that_asks_what_it_asks_and_how_to_answer(
    phone: SeededPhone, host: Working, question: words.Question, answers: str
) -> None:
    question.text = "Run it?"
    question.question_id = os.urandom(16)
    host.question = question
    async with phone.desk() as desk:
        task_id, asking = await asked(desk)

        (_, (listed,)), (_, (status,)) = await do(desk, do="tasks", host=None, limit=9), await do(desk, do="status")

    for told in (listed, status["hosts"][0]["tasks"][0]):
        assert (told["state"], told["asks"], told["choices"]) == ("asking", "Run it?", asking["choices"])
        assert told["advice"] == f"Answer it: dispatch-phone answer {task_id} {answers}"
        assert "reason" not in told


async def test_a_task_is_meant_by_the_beginning_of_its_id(phone: SeededPhone, host: Working) -> None:
    del host
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        with pytest.raises(errors.TaskUnknown):
            await do(desk, do="answer", id="0000" if not task_id.startswith("0000") else "1111", answer="once")

        code, events = await do(desk, do="answer", id=task_id[:8], answer="once")

    assert (code, events[0]["task_id"]) == (0, task_id)


async def test_who_answers_second_hears_who_was_first(phone: SeededPhone, host: Working) -> None:
    host.other = words.Answered(question_id=host.question.question_id, approval=words.APPROVAL_DENY, by="desk")
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)

        code, events = await do(desk, do="answer", id=task_id, answer="once")

        assert (code, events[0]["text"], events[0]["by"]) == (9, "deny", "desk")
        with pytest.raises(errors.QuestionClosed):
            await do(desk, do="answer", id=task_id, answer="once")


async def test_a_yes_is_for_the_question_that_was_read_and_not_for_one_that_was_put_in_its_place(
    phone: SeededPhone, host: Working
) -> None:
    async with phone.desk() as desk:
        task_id, read = await asked(desk)
        harmful = await host.takes_back_and_asks(task_id, "Delete it?")
        await hears(desk, "Delete it?")
        with pytest.raises(errors.QuestionUnseen):
            await do(desk, do="answer", id=task_id, answer="once")
        assert host.answers == []

        code, _ = await do(desk, do="answer", id=task_id, answer="deny")

    assert code == 0
    assert host.answers == [words.Answer(question_id=harmful, approval=words.APPROVAL_DENY)]
    assert read["question_id"] != harmful.hex()


async def test_also_where_the_task_is_watched_and_the_other_question_came_up_on_the_screen(
    phone: SeededPhone, host: Working
) -> None:
    """While the person types their yes elsewhere, the watched task shows another question: they need not have seen it."""
    events: list[Event] = []
    request = send_request("build it")
    async with phone.desk() as desk:
        watching = asyncio.create_task(desk.do(request, say=events.append, hear=_nobody))
        await until(lambda: [event for event in events if event["event"] == "asking"])
        harmful = await host.takes_back_and_asks(request["id"], "Delete it?")
        await until(lambda: [event for event in events if event.get("question_id") == harmful.hex()])

        said: list[Event] = []
        with pytest.raises(errors.QuestionUnseen):
            await desk.do({"do": "answer", "id": request["id"], "answer": "once"}, say=said.append, hear=_nobody)

        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert host.answers == []
    assert [(event["event"], event["text"]) for event in said] == [("asking", "Delete it?")]


async def test_after_an_answer_the_next_question_that_is_shown_can_be_answered(
    phone: SeededPhone, host: Working
) -> None:
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        await do(desk, do="answer", id=task_id, answer="once")
        second = await host.asks(task_id, "Run it again?")
        await hears(desk, "Run it again?")
        await do(desk, do="thread", host=None)

        code, _ = await do(desk, do="answer", id=task_id, answer="once")

    assert code == 0
    assert host.answers[-1].question_id == second


async def test_the_next_question_of_a_task_that_is_watched_can_be_answered_however_soon_it_comes(
    phone: SeededPhone, host: Working
) -> None:
    events: list[Event] = []
    request = send_request("build it")
    async with phone.desk() as desk:
        watching = asyncio.create_task(desk.do(request, say=events.append, hear=_nobody))
        for asked_ones in (1, 2):
            host.then = "Run it again?" if asked_ones == 1 else ""
            await until(partial(_are_asked, events, asked_ones))
            code, _ = await do(desk, do="answer", id=request["id"], answer="once")
            assert code == 0
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert len(host.answers) == 2


def _are_asked(events: list[Event], many: int) -> bool:
    return len([event for event in events if event["event"] == "asking"]) == many


async def test_an_answer_that_came_too_late_is_not_said_again_to_the_question_behind_it(
    phone: SeededPhone, host: Working
) -> None:
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        host.decide = lambda _: Reason.REASON_QUESTION_CLOSED
        with pytest.raises(errors.QuestionClosed):
            await do(desk, do="answer", id=task_id, answer="once")
        await host.takes_back_and_asks(task_id, "Delete it?")
        await hears(desk, "Delete it?")

        with pytest.raises(errors.QuestionUnseen):
            await do(desk, do="answer", id=task_id, answer="once")


async def test_what_is_no_answer_is_not_sent(phone: SeededPhone, host: Working) -> None:
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        with pytest.raises(errors.BadRequest, match="once, task, always or deny"):
            await do(desk, do="answer", id=task_id, answer="yes")
        with pytest.raises(errors.TaskUnknown):
            await do(desk, do="answer", id=str(UUID(bytes=bytes(16))), answer="once")
    assert host.answers == []


async def test_a_refused_answer_is_refused_with_the_hosts_reason(phone: SeededPhone, host: Working) -> None:
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        host.decide = lambda _: Reason.REASON_QUESTION_CLOSED

        with pytest.raises(errors.QuestionClosed):
            await do(desk, do="answer", id=task_id, answer="once")


@pytest.mark.parametrize(("takes", "code", "last"), [(True, 0, "steered"), (False, 9, "steer_refused")])
async def test_words_for_a_task_are_brought_and_what_came_of_them_is_said(
    phone: SeededPhone, host: Working, takes: bool, code: int, last: str
) -> None:
    host.takes = takes
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)

        said, events = await do(desk, do="steer", id=task_id, text="only the PDFs")

        with pytest.raises(errors.BadRequest):
            await do(desk, do="steer", id=task_id, text=" ")
    assert (said, [event["event"] for event in events]) == (code, ["steering", last])
    assert events[-1]["text"] == "only the PDFs"


async def test_only_a_phone_that_has_read_all_says_that_no_question_is_open(
    phone: SeededPhone, host: Working, relay: Relay
) -> None:
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        await do(desk, do="answer", id=task_id, answer="once")
    await relay.stop()
    phone.patience = replace(phone.patience, sync_seconds=0.1)

    async with phone.desk() as desk:
        with pytest.raises(errors.NoNetwork):
            await do(desk, do="answer", id=task_id, answer="once")
    await relay.start()
    async with phone.desk() as desk:

        async def is_unreachable() -> bool:
            with pytest.raises(errors.DispatchError) as refused:
                await do(desk, do="answer", id=task_id, answer="once")
            assert not isinstance(refused.value, errors.QuestionClosed)
            return isinstance(refused.value, errors.HostUnreachable)

        await until_so(is_unreachable)  # it does not come back to this relay


@pytest.mark.parametrize(
    "word", [{"do": "answer", "answer": "once"}, {"do": "steer", "text": "only the PDFs"}, {"do": "cancel"}]
)
async def test_a_word_that_can_not_be_sent_is_refused_for_the_reason_that_the_line_has(
    phone: SeededPhone, host: Working, relay: Relay, word: Event
) -> None:
    async with phone.desk() as desk:
        task_id, _ = await asked(desk)
        await relay.trust.revoke(device_id(phone.pairs["desk"].phone_signing.public_key().public_bytes_raw()))
        ends = {"carrier": relay.carrier, "reason": "DEVICE_REVOKED"}
        await relay.metric_above("dispatch_relay_stream_ends_total", 0, **ends)

    async with phone.desk() as desk:
        with pytest.raises(errors.DeviceRevoked):
            await do(desk, id=task_id, **word)
    assert host.answers == []
