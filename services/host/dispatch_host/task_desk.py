"""The host's tasks as their owner sees them, and the word to one: cancelled, told more, answered. Called by the operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.device.sign_in import SignIn
from dispatch.ids import TaskId

from dispatch_host import entries, questions, steps
from dispatch_host.admission import STEER_BYTES
from dispatch_host.fleet import Fleet
from dispatch_host.journal import Tx, tasks, threads
from dispatch_host.journal import questions as stored_questions
from dispatch_host.journal.values import StoredTask
from dispatch_host.owned import Owned
from dispatch_host.runner import Runner
from dispatch_host.steps import Then
from dispatch_host.tasks import OPEN, QUEUED, State


def task_status(task: StoredTask, names: Mapping[int, str], *, position: int = 0) -> pb.TaskStatus:
    """Write a task for the command line; `names` are the phones' by their threads."""
    return pb.TaskStatus(
        task_id=task.task_id,
        text=task.text,
        phone_name=names.get(task.thread, ""),
        accepted_at_ms=task.accepted_at_ms,
        state=task.state,
        reason=task.reason,
        position=position,
        scheduled=not task.attempt,
    )


class TaskDesk:
    """The tasks of all phones."""

    def __init__(
        self,
        owned: Owned,
        *,
        runner: Runner | None,
        fleet: Fleet | None,
        ended: Callable[[State], None],
    ) -> None:
        self._owned = owned
        self._runner = runner
        self._fleet = fleet
        self._ended = ended
        self._shown: frozenset[bytes] = frozenset()  # the open questions that a person was shown here, whole

    async def listed(self, *, limit: int) -> list[pb.TaskStatus]:
        """List the newest that are over, at most so many, and all that are open, in the order of acceptance."""
        running = self._runner is not None

        def read(tx: Tx) -> list[pb.TaskStatus]:
            names = {pairing.thread: pairing.phone_name for pairing in threads.pairings(tx)}
            # What an earlier process left open is over, though only the next start says so.
            open_ones = tasks.in_states(tx, OPEN) if running else []
            over = [task_status(task, names) for task in tasks.newest_over(tx, limit=limit)]
            return over + [
                task_status(task, names, position=place if task.state in QUEUED else 0)
                for place, task in enumerate(open_ones)
            ]

        return await self._owned.journal.step(read)

    async def cancel(self, task_id: bytes) -> pb.TaskStatus:
        """Cancel a task; gives it with its outcome. Raises NotRunning, TaskUnknown, TaskOver."""
        runner, fleet = self._up()
        gone = await self._owned.journal.step(lambda tx: steps.cancel_here(tx, self._owned.scribe, task_id))
        if gone.ended is not None:
            self._ended(gone.ended)
            runner.moved_up()
        if gone.then is Then.CANCEL:
            await runner.cancelled(gone.task_id)
        fleet.wrote_anywhere()
        return await self._owned.journal.step(lambda tx: _now(tx, gone.task_id))

    async def steer(self, task_id: bytes, text: str) -> None:
        """Add words to the running task. Raises NotRunning, TaskUnknown, TaskOver, NotSteerable, BadRequest, TooLarge."""
        runner, fleet = self._up()
        said = entries.clean(text)
        if not said.strip():
            raise errors.BadRequest("there is nothing to say", metadata={"field": "text"})
        if len(said.encode()) > STEER_BYTES:
            raise errors.TooLarge

        def write(tx: Tx) -> StoredTask:
            task = tasks.open_task(tx, task_id)
            if task.state in QUEUED or not runner.takes_words:
                raise errors.NotSteerable
            questions.steer(tx, self._owned.scribe, task, said)
            return task

        task = await self._owned.journal.step(write)
        runner.look(task.task_id)
        fleet.wrote(task.thread)

    async def questions(self, *, shows: bool = False) -> list[pb.OpenQuestion]:
        """List what waits for an answer, each with whether it was shown here before. Without a running host nothing does."""
        if self._runner is None:
            return []
        found: list[pb.OpenQuestion] = await self._owned.journal.step(_open_questions)
        for one in found:
            one.shown = one.question.question_id in self._shown
        if shows:
            self._shown = frozenset(one.question.question_id for one in found)
        return found

    async def answer(self, task_id: bytes, answer: thread.Answer) -> None:
        """Answer the question that the answer names. Raises NotRunning, TaskUnknown, TaskOver, QuestionClosed, BadRequest."""
        runner, fleet = self._up()
        signed_in, owned = SignIn.load(self._owned.home), self._owned
        by = signed_in.device_name if signed_in else "this computer"
        about = await owned.journal.step(lambda tx: questions.answer_here(tx, owned.scribe, task_id, answer, by=by))
        runner.look(TaskId(task_id))
        fleet.wrote(about)

    def _up(self) -> tuple[Runner, Fleet]:
        if self._runner is None or self._fleet is None:
            raise errors.NotRunning
        return self._runner, self._fleet


def _now(tx: Tx, task_id: TaskId) -> pb.TaskStatus:
    task = tasks.find(tx, task_id)
    if task is None:
        raise errors.TaskUnknown
    return task_status(task, {pairing.thread: pairing.phone_name for pairing in threads.pairings(tx)})


def _open_questions(tx: Tx) -> list[pb.OpenQuestion]:
    names = {pairing.thread: pairing.phone_name for pairing in threads.pairings(tx)}
    found = []
    for question in stored_questions.open_ones(tx):
        task = tasks.find(tx, question.task_id)
        if task is not None:
            found.append(
                pb.OpenQuestion(
                    task_id=task.task_id,
                    task_text=task.text,
                    phone_name=names.get(task.thread, ""),
                    question=thread.Question.FromString(question.content),
                    asked_at_ms=question.asked_at_ms,
                )
            )
    return found
