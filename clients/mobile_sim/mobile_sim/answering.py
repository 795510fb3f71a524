"""What a person says to a task of theirs: an answer to what it asks, words for it (*steer*), or cancel. Called by `desk`."""

from __future__ import annotations

from itertools import takewhile
from uuid import UUID

from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.cli import Exit
from dispatch.device import question_words
from dispatch.device.telling import event_told, task_word
from dispatch.ids import ID_BYTES, TaskId

from mobile_sim.ledger import ANSWER, CANCEL, STEER
from mobile_sim.line import Line
from mobile_sim.owner import Hear, Request, Say
from mobile_sim.patience import Patience
from mobile_sim.phone import Phone
from mobile_sim.sending import Command, Sender, refusal_of, why_not
from mobile_sim.shown import Shown
from mobile_sim.store import Pairing, Post, Task, Verdict
from mobile_sim.task_view import State, last_line

LONGEST_WORDS_BYTES = 12 * 1024


class Answering:
    """One phone's word to tasks that run."""

    def __init__(self, phone: Phone, patience: Patience, shown: Shown) -> None:
        self._phone = phone
        self._store = phone.store
        self._patience = patience
        self._shown = shown

    async def answer(self, request: Request, say: Say, _: Hear) -> int:
        """Answer what a task asks, and hear whose answer counts.

        Where the request names no question it is for the one that the person was shown. Raises TaskUnknown, TaskOver,
        QuestionClosed, QuestionUnseen, BadRequest.
        """
        task, pairing, line = self._about(request)
        await line.bell.until(
            lambda: self._asked(task) is not None or line.ledger.view(task.task_id).over or line.final or line.complete,
            self._patience.sync_seconds,
        )
        asked = self._asked(task)
        if asked is None:
            raise self._why_none(task, line)
        question = asked.question
        if "question_id" in request:
            if request["question_id"] != question.question_id.hex():
                raise errors.QuestionClosed
        elif self._shown.of(task.task_id) != question.question_id:
            for shown in self._whole(task, asked):
                say(event_told(shown) | {"host": pairing.host_name})
            raise errors.QuestionUnseen
        said = question_words.read(question, request["answer"])
        # Before it is sent: its agent may ask the next at once, and a watching `send` show it before we hear of our answer.
        self._shown.is_answered(task.task_id)
        try:
            await self._bring(line, task, ANSWER, words.Action(answer=said, action_id=self._new_id()))
        except errors.DispatchError:
            self._shown.is_not_answered(task.task_id, question.question_id)
            raise
        await line.bell.until(
            lambda: self._closed(task, question.question_id) is not None, self._patience.cancelled_seconds
        )
        event = self._closed(task, question.question_id)
        if event is None:
            raise errors.NotOver("the computer has the answer, and has not said yet that it counts")
        say(event_told(event) | {"host": pairing.host_name})
        closed = event.answered
        ours = (closed.approval, closed.text) == (said.approval, said.text) and not closed.reason
        return Exit.DONE if ours else Exit.REFUSED

    async def steer(self, request: Request, say: Say, _: Hear) -> int:
        """Add words to a task that runs, and hear whether its agent got them. Raises TaskUnknown, TaskOver, NotSteerable."""
        task, pairing, line = self._about(request)
        text = request["text"]
        if not text.strip() or len(text.encode()) > LONGEST_WORDS_BYTES:
            raise errors.BadRequest(f"some words, at most {LONGEST_WORDS_BYTES:,} bytes", metadata={"field": "text"})
        known = len(self._of(task))
        await self._bring(line, task, STEER, words.Action(steer=words.Steer(text=text), action_id=self._new_id()))
        here = {"task_id": task_word(task.task_id), "host": pairing.host_name}
        say({"event": "steering", "at": self._phone.clock.wall_ms()} | here)

        def came_of_it() -> words.Event | None:
            fresh = self._of(task)[known:]
            return next((one for one in fresh if text in (one.steered.text, one.steer_refused.text)), None)

        # An agent takes words when it gets to it: the person need not wait for that.
        await line.bell.until(lambda: came_of_it() is not None, self._patience.sync_seconds)
        if (event := came_of_it()) is None:
            return Exit.DONE
        say(event_told(event) | here)
        return Exit.DONE if event.HasField("steered") else Exit.REFUSED

    async def cancel(self, request: Request, say: Say, _: Hear) -> int:
        """Cancel a task and wait for its outcome, for a while. Raises TaskUnknown, TaskOver, and why it could not be said."""
        task, pairing, line = self._about(request)
        task_id = task.task_id
        post = await self._bring(line, task, CANCEL, words.Action(cancel=words.Cancel(), action_id=self._new_id()))
        if post.verdict is Verdict.TAKEN:
            say({"event": "cancelling", "task_id": task_word(task_id), "at": self._phone.clock.wall_ms()})
        await line.bell.until(lambda: line.ledger.view(task_id).over, self._patience.cancelled_seconds)
        view = line.ledger.view(task_id)
        say(last_line(view) | {"task_id": task_word(task_id), "host": pairing.host_name})
        if view.state is State.CANCELLED:
            return Exit.DONE
        return Exit.REFUSED if view.over else Exit.NOT_OVER

    def _new_id(self) -> bytes:
        return self._phone.rng(ID_BYTES)

    def _about(self, request: Request) -> tuple[Task, Pairing, Line]:
        task = self._store.tasks.get(TaskId(UUID(request["id"]).bytes))
        pairing = self._store.pairings.get(task.pair_id) if task is not None else None
        if task is None or pairing is None:
            raise errors.TaskUnknown
        line = self._phone.line(pairing)
        if line.ledger.view(task.task_id).over:
            raise errors.TaskOver
        return task, pairing, line

    async def _bring(self, line: Line, task: Task, what: str, action: words.Action) -> Post:
        """Bring a command to the host. Raises why it did not get there, or was refused."""
        sender = Sender(line, self._store, clock=self._phone.clock, rng=self._phone.rng, patience=self._patience)
        post = await sender.send(Command(task_id=task.task_id, what=what, action=action.SerializeToString()))
        if post is None or post.verdict is Verdict.NEVER_STORED:
            raise why_not(line)
        if post.verdict is Verdict.REFUSED:
            raise refusal_of(post)
        return post

    @staticmethod
    def _why_none(task: Task, line: Line) -> errors.DispatchError:
        """Say why no question is known that could be answered: only who has read all may say that none is open."""
        if line.complete or line.ledger.view(task.task_id).over:
            return errors.QuestionClosed()
        return errors.of(line.sight.cause) if line.host_absent else why_not(line)

    def _of(self, task: Task) -> list[words.Event]:
        """Give a task's events, as far as this phone has them."""
        stored = self._store.thread.events(task.pair_id, after=task.after_number)
        found = [words.Event.FromString(one.content) for one in stored if one.content is not None]
        return [event for event in found if event.task_id == task.task_id]

    def _asked(self, task: Task) -> words.Event | None:
        """Give the event of the question that is open."""
        asked: words.Event | None = None
        for event in self._of(task):
            match event.WhichOneof("event"):
                case "question":
                    asked = event
                case "answered" | "ended":
                    asked = None
                case _:
                    pass
        return asked

    def _whole(self, task: Task, asked: words.Event) -> list[words.Event]:
        """Give the event of a question behind the steps that hold what is too long for it."""
        before = self._of(task)
        before = before[: before.index(asked)]
        parts = list(takewhile(lambda one: question_words.is_part_title(one.step.title), reversed(before)))
        return [*reversed(parts), asked]

    def _closed(self, task: Task, question_id: bytes) -> words.Event | None:
        """Give the event that closed a question."""
        return next(
            (one for one in self._of(task) if one.HasField("answered") and one.answered.question_id == question_id),
            None,
        )
