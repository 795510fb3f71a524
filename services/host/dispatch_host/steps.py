"""What the host does in one transaction each: the steps of a task from the link to its end.

Each function is one step of the journal, named for what happens. It leaves nothing half done: state, events and sealed
rows are on the disk together or not at all. Called by the link and the runner through `Journal.step`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import Action, Attachment, Question, UpCommand
from dispatch.files.description import checked
from dispatch.ids import ID_BYTES, MessageId, PairId, TaskId

from dispatch_host import admission, entries, questions
from dispatch_host.admission import Readable, Situation
from dispatch_host.entries import Entry
from dispatch_host.journal import files, outbox, tasks, threads
from dispatch_host.journal import questions as asked_ones
from dispatch_host.journal.values import FileKind, StoredCommand, StoredFile, StoredTask, Verdict
from dispatch_host.journal.writer import Tx
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import OPEN, OUTCOMES, QUEUED, STEPS, Event, State

HISTORY_LIMIT = 50
UNDECIDED_LIMIT = 64
"""Commands of one pairing of which its phone, which came directly, has still to say what becomes of them: kept until it does."""

NEVER_STARTED = Reason.REASON_NEVER_STARTED


def take(
    tx: Tx,
    pair_id: PairId,
    message_id: MessageId,
    asked: Readable,
    *,
    undecided: int,
    direct: bool,
    takes_words: bool,
) -> Reason.ValueType | None:
    """Journal a command that was handed over; the reason when it is not taken.

    `undecided` counts the commands of this process that wait for their go: each may become a waiting task. `direct` says by
    whom the go will come: the phone, or the relay; `takes_words` whether the agent does.
    """
    if direct and len(tasks.undecided_directly(tx, pair_id)) >= UNDECIDED_LIMIT:
        return Reason.REASON_QUEUE_FULL
    thread = threads.thread_of(tx, pair_id)
    task_id = TaskId(asked.command.task_id)
    known = tasks.find(tx, task_id)
    situation = Situation(
        thread=thread,
        task=known,
        arrived=all(_has_arrived(tx, said, thread) for said in asked.action.task.attachments),
        waiting=tasks.count_queued(tx) + undecided,
        question=_open_question(tx, task_id, asked.action.answer.question_id),
        takes_words=takes_words,
    )
    reason = admission.refusal(asked, situation)
    if reason is not None:
        return reason
    if asked.action.HasField("task"):
        tasks.supersede(tx, task_id, pair_id=pair_id)
        tasks.hand_over(
            tx,
            task_id,
            pair_id=pair_id,
            thread=thread,
            attempt=asked.command.attempt,
            action=asked.command.action,
            text=asked.action.task.text,
        )
    content = asked.command.SerializeToString()
    tasks.add_command(tx, message_id, pair_id=pair_id, task_id=task_id, content=content, direct=direct)
    return None


def _open_question(tx: Tx, task_id: TaskId, question_id: bytes) -> Question | None:
    found = asked_ones.find(tx, question_id) if question_id else None
    if found is None or found.answered is not None or found.task_id != task_id:
        return None
    return Question.FromString(found.content)


def _has_arrived(tx: Tx, said: Attachment, thread: int) -> bool:
    try:
        return files.has_arrived(tx, checked(said), thread=thread)
    except errors.DispatchError:
        return False


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


@dataclass(frozen=True, slots=True)
class Word:
    """What became of a command, by the one who decides: the relay, or the phone of what came by the direct path."""

    message_id: MessageId
    seq: int = 0  # the relay's row
    direct: bool = False

    def about(self, tx: Tx, pair_id: PairId) -> StoredCommand | None:
        """Give the command, if it is one of the pairing and the one who speaks is the one who decides."""
        command = tasks.find_command(tx, self.message_id)
        if command is None or command.pair_id != pair_id or command.direct != self.direct:
            return None
        return command


def go(tx: Tx, scribe: Scribe, pair_id: PairId, word: Word, *, in_time: bool, now_ms: int) -> Gone:
    """Take the word that a command is accepted. Too late, or unknown to this process: it ends without a start."""
    threads.advance(tx, pair_id, word.seq)
    message_id, command = word.message_id, word.about(tx, pair_id)
    if command is None:
        return Gone(decided=False)
    if command.verdict is Verdict.SUPERSEDED:
        tasks.mark_orphan(tx, message_id)
        return Gone(ended=_end_orphans(tx, scribe, command, now_ms=now_ms))
    if command.verdict is Verdict.GO and _waits(tx, command):
        # The stream may have broken when this was on the disk and the runner did not know it yet.
        return Gone(Then.RUN, command.task_id)
    if command.verdict is not Verdict.PENDING:
        return Gone()
    words = UpCommand.FromString(command.content)
    tasks.decide(tx, message_id, Verdict.GO)
    task = tasks.find(tx, command.task_id)
    if task is None:
        return Gone()
    if task.state is State.HANDED_OVER:
        if word.direct:
            # The relay has not seen it, and is to call the person should this host go away in the middle.
            outbox.add_go(tx, pair_id, MessageId(scribe.rng(ID_BYTES)), task.task_id)
        return _accept(tx, scribe, task, words, in_time=in_time, now_ms=now_ms)
    action = Action.FromString(words.action)
    match action.WhichOneof("action"):
        case "answer":
            by = threads.phone_name(tx, pair_id)
            taken = questions.answer(tx, scribe, task, action.answer, by=by)
            return Gone(Then.LOOK if taken else Then.NOTHING, task.task_id)
        case "steer":
            taken = questions.steer(tx, scribe, task, action.steer.text)
            return Gone(Then.LOOK if taken else Then.NOTHING, task.task_id)
        case _:
            return _cancel(tx, scribe, task)


def _named(action: bytes) -> list[bytes]:
    """Give the ids of the files that a task's own words name: two tasks may name the same one."""
    return [said.file_id for said in Action.FromString(action).task.attachments]


def _waits(tx: Tx, command: StoredCommand) -> bool:
    task = tasks.find(tx, command.task_id)
    return task is not None and task.state in QUEUED


def _accept(tx: Tx, scribe: Scribe, task: StoredTask, words: UpCommand, *, in_time: bool, now_ms: int) -> Gone:
    tasks.accept(tx, task.task_id, attempt=words.attempt, action=words.action, at_ms=now_ms)
    files.claim(tx, _named(words.action), thread=task.thread)
    first = entries.accepted(words, text=task.text)
    if not in_time:
        return Gone(ended=_end(tx, scribe, task, Event.INTERRUPT, reason=NEVER_STARTED, before=[first]))
    others = len(tasks.in_states(tx, OPEN)) - 1
    written = [first]
    if others:
        tasks.step(tx, task.task_id, Event.WAIT)
        written.append(entries.waiting(task.task_id, others))
    scribe.tell(tx, task, written)
    return Gone(Then.RUN, task.task_id)


def _cancel(tx: Tx, scribe: Scribe, task: StoredTask) -> Gone:
    if task.state in QUEUED:
        before = _places(tx)
        ended = _end(tx, scribe, task, Event.CANCEL, reason=Reason.REASON_CANCELLED_BY_PERSON)
        _tell_places(tx, scribe, before=before)
        return Gone(task_id=task.task_id, ended=ended)
    return Gone(Then.CANCEL if task.state in OPEN else Then.NOTHING, task.task_id)


def cancel_here(tx: Tx, scribe: Scribe, task_id: bytes) -> Gone:
    """Cancel a task by its owner's word on this computer. Raises TaskUnknown, TaskOver."""
    task = tasks.find(tx, task_id)
    if task is None or task.state in {State.HANDED_OVER, State.REFUSED}:
        raise errors.TaskUnknown
    if task.state not in OPEN:
        raise errors.TaskOver
    return _cancel(tx, scribe, task)


def withdraw(tx: Tx, scribe: Scribe, pair_id: PairId, word: Word, *, now_ms: int) -> State | None:
    """Take the word that a command is refused: it never runs. Gives how a task ended by that, if one did."""
    threads.advance(tx, pair_id, word.seq)
    command = word.about(tx, pair_id)
    if command is None or command.verdict is not Verdict.PENDING:
        return None
    words = UpCommand.FromString(command.content)
    tasks.decide(tx, word.message_id, Verdict.WITHDRAWN)
    task = tasks.find(tx, command.task_id)
    # A cancel that was refused leaves its task as it is; so does an attempt that a newer one has replaced.
    if task is not None and task.state is State.HANDED_OVER and task.attempt == words.attempt:
        tasks.step(tx, task.task_id, Event.REFUSE)
        return _end_orphans(tx, scribe, command, now_ms=now_ms)
    return None


def _end_orphans(tx: Tx, scribe: Scribe, command: StoredCommand, *, now_ms: int) -> State | None:
    """End a task whose go came for an attempt that a newer one had replaced, when that newer one was refused."""
    task = tasks.find(tx, command.task_id)
    if task is None or task.state is not State.REFUSED:
        return None
    superseded = tasks.commands_of(tx, task.task_id, pair_id=command.pair_id, verdict=Verdict.SUPERSEDED)
    orphan = next((one for one in superseded if one.orphan), None)
    if orphan is None:
        return None
    tasks.step(tx, task.task_id, Event.RETRY)
    tasks.decide(tx, orphan.message_id, Verdict.GO)
    words = UpCommand.FromString(orphan.content)
    return _accept(tx, scribe, task, words, in_time=False, now_ms=now_ms).ended


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
        files.find(tx, file_id, thread=task.thread, kind=FileKind.ATTACHMENT) for file_id in _named(task.action)
    ]
    return Ready(task=task, history=history, attachments=attachments)


def tell(tx: Tx, scribe: Scribe, task: StoredTask, written: Iterable[Entry]) -> None:
    """Write what the agent did."""
    scribe.tell(tx, task, written)


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
    places = _places(tx)
    tasks.keep_result(tx, task.task_id, text=result, memory=memory)
    _end(tx, scribe, task, event, reason=reason, text=text, before=[*before, *entries.result(task.task_id, result)])
    _tell_places(tx, scribe, before=places)
    return True


def interrupt_all(tx: Tx, scribe: Scribe, *, running: Reason.ValueType) -> int:
    """End everything that is open: nobody works on it any more. Gives how many.

    When a host starts (`running` is HOST_DIED) this is what the process before left behind; when it stops, HOST_STOPPED.
    """
    found = tasks.in_states(tx, OPEN)
    for task in found:
        _end(tx, scribe, task, Event.INTERRUPT, reason=NEVER_STARTED if task.state in QUEUED else running)
    return len(found)


def cancel_pairing(tx: Tx, scribe: Scribe, pair_id: PairId) -> tuple[list[TaskId], int]:
    """End the waiting tasks of a pairing that is being ended; gives those that run, for the runner to cancel, and how many ended.

    All of its thread's: some may be from before the same phone paired again.
    """
    running, ended, thread, before = [], 0, threads.thread_of(tx, pair_id), _places(tx)
    for task in tasks.in_states(tx, OPEN):
        if task.thread == thread:
            if task.state in QUEUED:
                _end(tx, scribe, task, Event.CANCEL, reason=Reason.REASON_CANCELLED_BY_PERSON)
                ended += 1
            else:
                running.append(task.task_id)
    _tell_places(tx, scribe, before=before)
    return running, ended


def _places(tx: Tx) -> dict[TaskId, int]:
    """Give where each open task stands: 0 for the one that runs or is about to."""
    return {task.task_id: place for place, task in enumerate(tasks.in_states(tx, OPEN))}


def _tell_places(tx: Tx, scribe: Scribe, *, before: Mapping[TaskId, int]) -> None:
    """Tell the tasks that wait where they stand now, if that is elsewhere; at most as many as may wait."""
    for place, task in enumerate(tasks.in_states(tx, OPEN)):
        if place and task.state in QUEUED and place != before[task.task_id]:
            scribe.tell(tx, task, [entries.waiting(task.task_id, place)])


def _end(
    tx: Tx,
    scribe: Scribe,
    task: StoredTask,
    event: Event,
    *,
    reason: Reason.ValueType,
    text: str = "",
    before: Sequence[Entry] = (),
) -> State:
    known = tasks.find(tx, task.task_id)
    if known is not None and known.state is State.ASKING and (State.ASKING, event) not in STEPS:
        # Its agent went on without an answer, and is done.
        tasks.step(tx, task.task_id, Event.ANSWERED)
    state = tasks.step(tx, task.task_id, event, reason=reason)
    closed = questions.close_all(tx, task, reason or errors.QuestionClosed.reason, at_ms=scribe.clock.wall_ms())
    scribe.tell(tx, task, [*before, *closed, *entries.ended(task.task_id, OUTCOMES[state], reason, text)])
    return state
