"""What the host does with a command in one transaction each: taken, then gone on with or withdrawn. Called by the intake.

Each leaves nothing half done: state, events and sealed rows are on the disk together or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import Action, Attachment, Question, UpCommand
from dispatch.files.description import checked
from dispatch.ids import ID_BYTES, MessageId, PairId, TaskId

from dispatch_host import admission, entries, in_line, questions, steps
from dispatch_host.admission import Readable, Situation
from dispatch_host.journal import files, outbox, tasks, threads
from dispatch_host.journal import questions as asked_ones
from dispatch_host.journal.values import StoredCommand, StoredTask, Verdict
from dispatch_host.journal.writer import Tx
from dispatch_host.scribe import Scribe
from dispatch_host.steps import Gone, Then
from dispatch_host.tasks import QUEUED, Event, State

UNDECIDED_LIMIT = 64
"""Commands of one pairing of which its phone, which came directly, has still to say what becomes of them: kept until it does."""


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
            return steps.cancel(tx, scribe, task)


def _waits(tx: Tx, command: StoredCommand) -> bool:
    task = tasks.find(tx, command.task_id)
    return task is not None and task.state in QUEUED


def _accept(tx: Tx, scribe: Scribe, task: StoredTask, words: UpCommand, *, in_time: bool, now_ms: int) -> Gone:
    tasks.accept(tx, task.task_id, attempt=words.attempt, action=words.action, at_ms=now_ms)
    files.claim(tx, steps.named_files(words.action), thread=task.thread)
    first = entries.accepted(words, text=task.text)
    if not in_time:
        return Gone(ended=steps.conclude(tx, scribe, task, Event.INTERRUPT, reason=steps.NEVER_STARTED, before=[first]))
    scribe.tell(tx, task, [first, *in_line.joins(tx, task)])
    return Gone(Then.RUN, task.task_id)


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
