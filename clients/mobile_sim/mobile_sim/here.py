"""Answers a task with this phone's own model, and notes where each task went and why. Called by `asking`."""

from __future__ import annotations

import asyncio

from dispatch import errors
from dispatch.ids import TaskId

from mobile_sim.facts import Fact, Kind
from mobile_sim.line import Line
from mobile_sim.model import ANSWER_SECONDS, Model
from mobile_sim.phone import Phone
from mobile_sim.routing import Choice, Where, Why, decide


class Here:
    """What this phone answers by itself."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._store = phone.store

    async def answered(self, line: Line, task_id: TaskId, text: str, *, attached: bool, choice: Choice) -> bool:
        """Answer a task here if that is where it belongs; False when it goes to the computer.

        Raises BadRequest where it is to be answered here and can't be.
        """
        model = Model.load(self._phone.home)
        if model is None:
            return False
        route = decide(text, attached=attached, choice=choice)
        self._note(line, task_id, route.where, route.why)
        if route.where is Where.HOST:
            return False
        try:
            answer = await self._asked(model, text)
        except errors.ModelFailed as failure:
            if choice is Choice.HERE:
                self._end(line, task_id, "failed", errors.word(failure.reason), f"{failure.sentence} {failure.detail}.")
                return True
            why = f"the model on this phone gave no answer: {failure.detail}"
            self._note(line, task_id, Where.HOST, why)
            return False
        with self._store.transaction():
            line.ledger.note(task_id, Fact(kind=Kind.TEXT, at_ms=self._phone.clock.wall_ms(), text=answer))
        self._end(line, task_id, "done", "", "")
        return True

    def check(self, choice: Choice, *, attached: bool) -> None:
        """Refuse to answer here what can't be. Raises BadRequest."""
        if choice is not Choice.HERE:
            return
        if attached:
            raise errors.BadRequest("what has files goes to the computer", metadata={"field": "here"})
        if Model.load(self._phone.home) is None:
            raise errors.BadRequest("this phone has no model: dispatch-phone model use", metadata={"field": "here"})

    async def _asked(self, model: Model, text: str) -> str:
        from mobile_sim.model_question import ask  # noqa: PLC0415 -- HTTP, for phones that have a model

        try:
            async with asyncio.timeout(2 * ANSWER_SECONDS):
                return await asyncio.to_thread(ask, model, text)
        except TimeoutError:
            raise errors.ModelFailed("it took too long") from None

    def _note(self, line: Line, task_id: TaskId, where: Where, why: Why | str) -> None:
        fact = Fact(kind=Kind.ROUTED, at_ms=self._phone.clock.wall_ms(), path=where, text=str(why))
        with self._store.transaction():
            line.ledger.note(task_id, fact)
        line.bell.ring()

    def _end(self, line: Line, task_id: TaskId, outcome: str, reason: str, text: str) -> None:
        fact = Fact(kind=Kind.ENDED, at_ms=self._phone.clock.wall_ms(), outcome=outcome, reason=reason, text=text)
        with self._store.transaction():
            line.ledger.note(task_id, fact)
            self._store.tasks.set_here(task_id)
        line.bell.ring()
