"""Lets a person at a terminal answer what their task asks right where they watch it. Called by `front`; docs/questions.md.

A line answers the question that stands on the screen when it is sent off, and no other: what was typed before that came up is
dropped, and the answer names its question, so that nothing comes of it when that one has closed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from dispatch import errors
from dispatch.words import ENGLISH, Words

Event = dict[str, Any]
Request = dict[str, Any]


class InPlace:
    """The questions of the task that is watched."""

    def __init__(
        self,
        *,
        bring: Callable[[Request], Awaitable[object]],
        ask: Callable[[str], None],
        tell: Callable[[str], None],
        lines: Callable[[], AsyncIterator[str]],
        forget_typed: Callable[[], None],
        words: Words = ENGLISH,
    ) -> None:
        # Fixed after __init__.
        self._bring = bring
        self._ask = ask
        self._tell = tell
        self._lines = lines
        self._forget_typed = forget_typed
        self._words = words
        # Touched by all, on one loop.
        self._open: Event | None = None
        self._unanswered = False  # whether a question stood there that this person has not answered
        self._is_another = False  # whether the one that stands there came in place of such a one
        self._asked = asyncio.Event()  # for the first time: before that nothing of standard input is read

    def heard(self, event: Event) -> None:
        """Hear what is shown of the task."""
        match event["event"]:
            case "asking":
                self._is_another = self._unanswered
                self._unanswered = True
                self._open = event
                self._forget_typed()
                self._put()
                self._asked.set()
            case "answered" if self._open is not None and self._open["question_id"] == event["question_id"]:
                self._open = None
            case _ if "state" in event:
                self._open = None

    async def run(self) -> None:
        """Take lines as answers, for as long as the task is watched."""
        await self._asked.wait()
        async for line in self._lines():
            question = self._open
            if question is None or not line.strip():
                continue
            self._unanswered = False  # before it is sent: the next may be asked at once
            try:
                await self._bring(
                    {
                        "do": "answer",
                        "id": question["task_id"],
                        "answer": line.strip(),
                        "question_id": question["question_id"],
                    }
                )
            except errors.QuestionClosed:
                pass  # somebody was first, which is shown by itself
            except errors.DispatchError as error:
                self._tell(f"! {error.line_in(self._words)}")
                self._unanswered = True
                if question is self._open:
                    self._put()

    def _put(self) -> None:
        assert self._open is not None  # noqa: S101 -- the callers looked
        choices = self._open["choices"]
        possible = " / ".join(f"{place}. {choice}" for place, choice in enumerate(choices, start=1))
        other = f"{self._words.line('another_question')} " if self._is_another else ""
        answer = self._words.line("answer_with", choices=possible) if choices else self._words.line("answer_in_words")
        self._ask(f"{other}{answer} ")
