"""The tasks as a list, and what a person does about those that did not go through: the outbox, and dismissing. Called by `desk`.

The outbox holds what was never sent or was refused. It never ran, its words are kept, and nothing in this program sends it but
`resend`: no start, no reconnect, no other command. docs/phone.md "The outbox".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from uuid import UUID

from dispatch import errors
from dispatch.cli import Exit
from dispatch.device import question_words
from dispatch.device.telling import task_word
from dispatch.ids import PairId, TaskId
from dispatch.words import ENGLISH

from mobile_sim.ledger import Ledger
from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.phone import Phone
from mobile_sim.store import Task
from mobile_sim.task_view import ON_THE_WAY, UNSENT, WITH_HOST, State, TaskView, last_line


class Outbox:
    """The tasks of one phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._store = phone.store

    def task(self, word: str) -> Task:
        """Find a task by its id. Raises TaskUnknown."""
        task = self._store.tasks.get(TaskId(UUID(word).bytes))
        if task is None or task.state == State.DROPPED:
            raise errors.TaskUnknown
        return task

    def whole(self, word: str) -> str:
        """Complete a task's id that was begun. Raises TaskUnknown, and TargetNeeded where several begin so."""
        with contextlib.suppress(ValueError):
            return str(UUID(word))
        found = [known for task in self._every(State) if (known := task_word(task.task_id)).startswith(word)]
        if not found:
            raise errors.TaskUnknown
        if len(found) > 1:
            raise errors.TargetNeeded("the ids of several tasks begin so")
        return found[0]

    async def show(self, _request: Request, say: Say, _: Hear) -> int:
        """List what was not sent or was refused, oldest first."""
        for task in self._every(UNSENT):
            say(self.told(task) | {"event": "unsent"})
        return Exit.DONE

    async def drop(self, request: Request, say: Say, _: Hear) -> int:
        """Take a task out of the outbox: its words are deleted. Raises TaskUnknown, NotOver, TaskOver."""
        task = self.task(request["id"])
        view, ledger = self._view(task), self._ledger(task)
        if view.state not in UNSENT:
            raise errors.TaskOver("only what was not sent or refused can be dropped") if view.over else errors.NotOver
        with self._store.transaction():
            ledger.dropped(task.task_id)
        say({"event": "dropped", "task_id": request["id"], "host": self._host_name(task)})
        return Exit.DONE

    async def dismiss(self, request: Request, say: Say, _: Hear) -> int:
        """Wait no longer for a task of which nothing can be heard. Raises TaskUnknown, TaskOver, NotOver."""
        task = self.task(request["id"])
        view, ledger = self._view(task), self._ledger(task)
        if view.over:
            raise errors.TaskOver
        if not view.may_be_dismissed:
            raise errors.NotOver("the computer is in contact: cancel the task instead")
        with self._store.transaction():
            ledger.dismissed(task.task_id)
        say({"event": "dismissed", "task_id": request["id"], "host": self._host_name(task), "was": view.shown_state})
        return Exit.DONE

    async def list_tasks(self, request: Request, say: Say, _: Hear) -> int:
        """List the tasks, oldest first: all that are not over, and the newest of the others."""
        every = self._every(set(State) - {State.DROPPED})
        if request["host"] is not None:
            every = [task for task in every if request["host"] in (self._host_name(task), task.pair_id.hex())]
        for task in every[-request["limit"] :]:
            say(self.told(task) | {"event": "listed"})
        return Exit.DONE

    def open_tasks(self, pair_id: PairId) -> list[Event]:
        """List a host's tasks that are not over, with how they stand."""
        return [self.told(task) for task in self._store.tasks.in_states(pair_id, ON_THE_WAY | WITH_HOST)]

    def told(self, task: Task) -> Event:
        """Write a task as it stands: its words, and unless it is done the reason and what to do."""
        view = self._view(task)
        line = last_line(view)
        said: Event = {
            name: line[name] for name in ("reason", "advice", "resend", "tampering", "answered") if name in line
        }
        task_id = task_word(task.task_id)
        if view.shown_state is State.ASKING:
            said.pop("reason", None)  # nothing is wrong with it: it waits for a person
            command = question_words.answer_command(task_id, view.choices, is_approval=view.is_approval)
            said["advice"] = ENGLISH.line("answer_it", command=command)
        return {
            "task_id": task_id,
            "host": self._host_name(task),
            "state": view.shown_state.value,
            "text": task.text,
            "asked_at": task.made_at_ms,
            "at": view.at_ms or task.made_at_ms,
            "attempt": view.attempt,
            "scheduled": view.scheduled,
            **_now(view, self._phone.clock.wall_ms()),
            **self._waits_for(view),
            **said,
        }

    def _waits_for(self, view: TaskView) -> Event:
        """Say which task asks a person while this one waits for it."""
        if view.state is not State.WAITING:
            return {}
        if not view.waits_for_answer or not view.asking_task_id:
            return {"asking": view.waits_for_answer}
        told: Event = {"asking": True, "asking_task_id": view.asking_task_id}
        before = self._store.tasks.get(TaskId(UUID(view.asking_task_id).bytes))
        return told | ({"asking_text": before.text} if before is not None else {})

    def stands(self, task: Task) -> Event:
        """Write a task as it stands for who watches it: as listed, with the words that end it here."""
        view = self._view(task)
        line = last_line(view)
        said = {"answer": line["text"]} if view.over and (view.here or view.state in UNSENT) else {}
        said |= {"warning": line["warning"]} if "warning" in line else {}
        return self.told(task) | said | {"event": "stands", "dismissible": view.may_be_dismissed}

    def _every(self, states: Iterable[State]) -> list[Task]:
        wanted = list(states)
        found = [
            task for one in self._store.pairings.all() for task in self._store.tasks.in_states(one.pair_id, wanted)
        ]
        return sorted(found, key=lambda task: (task.made_at_ms, task.task_id))

    def _view(self, task: Task) -> TaskView:
        return self._ledger(task).view(task.task_id)

    def _ledger(self, task: Task) -> Ledger:
        """Give the ledger that is in use: one keeps in mind what it has read."""
        line = self._phone.open_line(task.pair_id)
        return line.ledger if line is not None else Ledger(self._store, task.pair_id, self._phone.clock)

    def _host_name(self, task: Task) -> str:
        pairing = self._store.pairings.get(task.pair_id)
        return pairing.host_name if pairing is not None else ""


def _now(view: TaskView, now_ms: int) -> Event:
    """Say what is only true while it waits or asks."""
    match view.state:
        case State.WAITING:
            return {"position": view.position}
        case State.ASKING:
            open_ms = max(0, now_ms - view.asked_at_ms)
            asks = view.question.strip().partition("\n")[0]
            asked = {"asks": asks, "choices": list(view.choices), "asked_for_ms": open_ms}
            return asked | {"is_approval": view.is_approval}
        case _:
            return {}
