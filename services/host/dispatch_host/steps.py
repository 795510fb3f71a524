"""What the host does to a task in one transaction each, from its start to its end. What commands do is in command_steps.py.

Each function is one step of the journal, named for what happens. It leaves nothing half done: state, events and sealed
rows are on the disk together or not at all. Called by the runner and the desks through `Journal.step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import Action
from dispatch.ids import PairId, TaskId

from dispatch_host import entries, in_line, questions
from dispatch_host.entries import Entry
from dispatch_host.journal import files, tasks, threads
from dispatch_host.journal.values import FileKind, StoredFile, StoredTask
from dispatch_host.journal.writer import Tx
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import OPEN, OUTCOMES, QUEUED, STEPS, Event, State

HISTORY_LIMIT = 50
NEVER_STARTED = Reason.REASON_NEVER_STARTED


class Then(Enum):
    """What is left to do when a go is on the disk."""

    NOTHING = "nothing"
    RUN = "run"  # a task was accepted: wake the runner
    CANCEL = "cancel"  # the running task is to be cancelled
    LOOK = "look"  # there is something for the running task: an answer, or words


@dataclass(frozen=True, slots=True)
class Gone:
    """What a go led to. `ended` is set when it ended a task at once."""

    then: Then = Then.NOTHING
    task_id: TaskId = field(default_factory=lambda: TaskId(b""))
    ended: State | None = None
    decided: bool = True  # False: said by one who does not decide, or of a command that is not here


def named_files(action: bytes) -> list[bytes]:
    """Give the ids of the files that a task's own words name: two tasks may name the same one."""
    return [said.file_id for said in Action.FromString(action).task.attachments]


def cancel(tx: Tx, scribe: Scribe, task: StoredTask) -> Gone:
    """Cancel a task: at once where it waits; one that runs is the runner's to end."""
    if task.state in QUEUED:
        before = in_line.places(tx)
        ended = conclude(tx, scribe, task, Event.CANCEL, reason=Reason.REASON_CANCELLED_BY_PERSON)
        in_line.moved(tx, scribe, before=before)
        return Gone(task_id=task.task_id, ended=ended)
    return Gone(Then.CANCEL if task.state in OPEN else Then.NOTHING, task.task_id)


def cancel_here(tx: Tx, scribe: Scribe, task_id: bytes) -> Gone:
    """Cancel a task by its owner's word on this computer. Raises TaskUnknown, TaskOver."""
    return cancel(tx, scribe, tasks.open_task(tx, task_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A task to run, with what the agent may know of the thread."""

    task: StoredTask
    history: Sequence[StoredTask] = field(repr=False)
    attachments: Sequence[StoredFile | None]
    """What the task names, in its order; None for one that is not here any more."""


def start_next(tx: Tx, scribe: Scribe, *, agent: str) -> Ready | None:
    """Start the task that has waited longest; None when none waits, or one runs."""
    if tasks.in_states(tx, OPEN - QUEUED):
        return None
    queued = tasks.in_states(tx, QUEUED)
    if not queued:
        return None
    task = queued[0]
    tasks.step(tx, task.task_id, Event.START)
    scribe.tell(tx, task, [entries.started(task.task_id, agent)])
    history = [
        earlier for earlier in tasks.of_thread(tx, task.thread, limit=HISTORY_LIMIT + 1) if earlier.state in OUTCOMES
    ]
    attachments = [
        files.find(tx, file_id, thread=task.thread, kind=FileKind.ATTACHMENT) for file_id in named_files(task.action)
    ]
    return Ready(task=task, history=history, attachments=attachments)


def end(
    tx: Tx,
    scribe: Scribe,
    task: StoredTask,
    event: Event,
    *,
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED,
    text: str = "",
    before: Sequence[Entry] = (),
    result: str = "",
    memory: str = "{}",
) -> bool:
    """End a task with its one outcome; False when it has one already. `text` is for its last event, `result` its answer."""
    known = tasks.find(tx, task.task_id)
    if known is None or known.state not in OPEN:
        return False
    places = in_line.places(tx)
    tasks.keep_result(tx, task.task_id, text=result, memory=memory)
    conclude(tx, scribe, task, event, reason=reason, text=text, before=[*before, *entries.result(task.task_id, result)])
    in_line.moved(tx, scribe, before=places)
    return True


def interrupt_all(tx: Tx, scribe: Scribe, *, running: Reason.ValueType) -> int:
    """End everything that is open: nobody works on it any more. Gives how many.

    When a host starts (`running` is HOST_DIED) this is what the process before left behind; when it stops, HOST_STOPPED.
    """
    found = tasks.in_states(tx, OPEN)
    for task in found:
        conclude(tx, scribe, task, Event.INTERRUPT, reason=NEVER_STARTED if task.state in QUEUED else running)
    return len(found)


def cancel_pairing(tx: Tx, scribe: Scribe, pair_id: PairId) -> tuple[list[TaskId], int]:
    """End the waiting tasks of a pairing that is being ended; gives those that run, for the runner to cancel, and how many ended.

    All of its thread's: some may be from before the same phone paired again.
    """
    running, ended, thread, before = [], 0, threads.thread_of(tx, pair_id), in_line.places(tx)
    for task in tasks.in_states(tx, OPEN):
        if task.thread == thread:
            if task.state in QUEUED:
                conclude(tx, scribe, task, Event.CANCEL, reason=Reason.REASON_CANCELLED_BY_PERSON)
                ended += 1
            else:
                running.append(task.task_id)
    in_line.moved(tx, scribe, before=before)
    return running, ended


def conclude(
    tx: Tx,
    scribe: Scribe,
    task: StoredTask,
    event: Event,
    *,
    reason: Reason.ValueType,
    text: str = "",
    before: Sequence[Entry] = (),
) -> State:
    """Give a task its outcome, close its questions, and tell the phone. Whoever calls it knows that it is open."""
    known = tasks.find(tx, task.task_id)
    if known is not None and known.state is State.ASKING and (State.ASKING, event) not in STEPS:
        # Its agent went on without an answer, and is done.
        tasks.step(tx, task.task_id, Event.ANSWERED)
    state = tasks.step(tx, task.task_id, event, reason=reason)
    closed = questions.close_all(tx, task, reason or errors.QuestionClosed.reason, at_ms=scribe.clock.wall_ms())
    scribe.tell(tx, task, [*before, *closed, *entries.ended(task.task_id, OUTCOMES[state], reason, text)])
    return state
