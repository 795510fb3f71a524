"""Answering where the task is watched: a line answers the question on the screen, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dispatch import errors
from mobile_sim.in_place import InPlace

from tests.support.waiting import until

FIRST = {"event": "asking", "task_id": "t", "question_id": "1", "text": "Run it?", "choices": ["once", "deny"]}
SECOND = {"event": "asking", "task_id": "t", "question_id": "2", "text": "What name?", "choices": []}


class Terminal:
    """A person at a terminal, made by hand: types lines, and keeps what is written to them."""

    def __init__(self) -> None:
        self.typed: asyncio.Queue[str] = asyncio.Queue()
        self.asked: list[str] = []
        self.told: list[str] = []
        self.brought: list[dict[str, Any]] = []
        self.forgot = 0
        self.reading = 0
        self.refusal: errors.DispatchError | None = None

    def forget(self) -> None:
        self.forgot += 1

    async def lines(self) -> AsyncIterator[str]:
        self.reading += 1
        while line := await self.typed.get():
            yield line

    async def bring(self, request: dict[str, Any]) -> None:
        self.brought.append(request)
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
async def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
async def watched(terminal: Terminal) -> AsyncIterator[InPlace]:
    in_place = InPlace(
        bring=terminal.bring,
        ask=terminal.asked.append,
        tell=terminal.told.append,
        lines=terminal.lines,
        forget_typed=terminal.forget,
    )
    running = asyncio.create_task(in_place.run())
    yield in_place
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_nothing_of_the_input_is_read_before_something_is_asked(terminal: Terminal, watched: InPlace) -> None:
    watched.heard({"event": "started", "task_id": "t"})
    await asyncio.sleep(0)
    assert terminal.reading == 0

    watched.heard(FIRST)

    await until(lambda: terminal.reading == 1)
    assert terminal.asked == ["Answer with 1. once / 2. deny: "]


async def test_a_line_answers_the_question_that_stands_there(terminal: Terminal, watched: InPlace) -> None:
    watched.heard(FIRST)
    terminal.typed.put_nowait("\n")
    terminal.typed.put_nowait(" once \n")

    await until(lambda: terminal.brought)

    assert terminal.brought == [{"do": "answer", "id": "t", "answer": "once", "question_id": "1"}]


async def test_what_was_typed_before_a_question_came_up_is_not_for_it(terminal: Terminal, watched: InPlace) -> None:
    watched.heard(FIRST)
    watched.heard({"event": "answered", "question_id": "1", "text": "deny", "by": "desk"})
    terminal.typed.put_nowait("once\n")
    await until(terminal.typed.empty)
    assert terminal.brought == []

    watched.heard(SECOND)
    terminal.typed.put_nowait("Report\n")

    await until(lambda: terminal.brought)
    assert [one["question_id"] for one in terminal.brought] == ["2"]
    assert terminal.forgot == 2
    assert terminal.asked[-1] == "This is another question. Answer: "


async def test_what_is_no_answer_is_said_and_asked_again(terminal: Terminal, watched: InPlace) -> None:
    terminal.refusal = errors.BadRequest("the answer is once or deny")
    watched.heard(FIRST)
    terminal.typed.put_nowait("perhaps\n")

    await until(lambda: len(terminal.asked) == 2)

    assert terminal.told == ["! The answer is once or deny."]


async def test_who_comes_second_is_told_nothing_here(terminal: Terminal, watched: InPlace) -> None:
    terminal.refusal = errors.QuestionClosed()
    watched.heard(FIRST)
    terminal.typed.put_nowait("once\n")

    await until(lambda: terminal.brought)
    assert terminal.told == []


async def test_the_end_of_the_task_closes_its_question(terminal: Terminal, watched: InPlace) -> None:
    watched.heard(FIRST)
    watched.heard({"event": "cancelled", "state": "cancelled", "task_id": "t"})
    terminal.typed.put_nowait("once\n")

    await until(terminal.typed.empty)
    assert terminal.brought == []
