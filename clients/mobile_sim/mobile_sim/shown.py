"""Which question of a task an answer without a question's id is for: the one that its person was shown. Called by `desk`.

A question that comes up while a task is watched does not take the place of one that this phone has not answered: its agent may
have taken that one back the moment before the person's yes, and the yes would be to what nobody has read. docs/questions.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

from dispatch.ids import TaskId

from mobile_sim.owner import Event, Request, Say
from mobile_sim.store import Store

_UUID_CHARACTERS = 36  # a task's id of any other form is a host's mistake, and of no task here
_WATCHING = ("send", "resend")
"""What goes on showing what happens, for as long as the task lasts. Everything else shows what is there, when it is asked for."""


class Shown:
    """The questions that were shown on one phone, in whatever process."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, task_id: TaskId) -> bytes:
        """Give the id of the question that an answer is for; empty for none."""
        return self._store.tasks.shown_question(task_id)

    def is_answered(self, task_id: TaskId) -> None:
        """Hear that the person has answered: the next question that is shown is the one that they answer next."""
        self._keep({task_id: b""})

    def is_not_answered(self, task_id: TaskId, question_id: bytes) -> None:
        """Hear that the answer did not get there. What came up meanwhile may be what it would be said to when it is said again."""
        self._keep({task_id: question_id})

    @contextlib.contextmanager
    def noted(self, request: Request, say: Say) -> Iterator[Say]:
        """Give a `say` that notes the questions that a request shows."""
        last: dict[TaskId, bytes] = {}

        def say_and_note(event: Event) -> None:
            say(event)
            if event["event"] == "asking" and len(event.get("task_id", "")) == _UUID_CHARACTERS:
                task_id, question_id = TaskId(UUID(event["task_id"]).bytes), bytes.fromhex(event["question_id"])
                if request["do"] not in _WATCHING:
                    last[task_id] = question_id
                elif not self.of(task_id):
                    self._keep({task_id: question_id})

        try:
            yield say_and_note
        finally:
            self._keep(last)

    def _keep(self, shown: dict[TaskId, bytes]) -> None:
        with self._store.transaction():
            for task_id, question_id in shown.items():
                self._store.tasks.set_shown_question(task_id, question_id)
