"""Whether the host takes a command. Pure: the words are opened and their signature is verified before, the journal is asked before.

Called by the step that journals a command. docs/host.md, "Taking a command".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import Action, Answer, Question, Steer, UpCommand
from dispatch.ids import ID_BYTES
from google.protobuf.message import DecodeError

from dispatch_host import answers
from dispatch_host.journal.values import StoredTask
from dispatch_host.tasks import OPEN, OUTCOMES, QUEUED, State

WAITING_LIMIT = 16
TEXT_BYTES = 48 * 1024
STEER_BYTES = 12 * 1024
ATTACHMENTS = 16
ATTEMPT_LIMIT = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the journal says beside a command."""

    thread: int
    task: StoredTask | None  # the task of that id, if the journal knows it
    arrived: bool  # whether all that the task names as attachments is here, whole
    waiting: int  # tasks that are accepted and not started, and commands that may become such
    question: Question | None  # the open one of that task that an answer names
    takes_words: bool  # whether the agent does, while it works


@dataclass(frozen=True, slots=True)
class Readable:
    """A command that has the right form."""

    command: UpCommand = field(repr=False)
    action: Action = field(repr=False)


def read(content: bytes, *, pair_id: bytes, task_id: bytes | None) -> Readable | Reason.ValueType:
    """Parse an opened command; the reason when it is not one of this pairing, or not about the task that it names outside.

    By the direct path it names none there (None).
    """
    command, action = UpCommand(), Action()
    try:
        command.ParseFromString(content)
        action.ParseFromString(command.action)
    except DecodeError:
        return Reason.REASON_PROTOCOL_VIOLATION
    fits = (
        command.pair_id == pair_id
        and len(command.task_id) == ID_BYTES
        and task_id in (None, command.task_id)
        and 1 <= command.attempt < ATTEMPT_LIMIT
    )
    return Readable(command, action) if fits else Reason.REASON_PROTOCOL_VIOLATION


def refusal(asked: Readable, situation: Situation) -> Reason.ValueType | None:
    """Give the reason why the host does not take a command; None when it does."""
    match asked.action.WhichOneof("action"):
        case "task":
            return _task(asked, situation)
        case "cancel":
            return _about(situation)
        case "answer":
            return _about(situation) or _answer(asked.action.answer, situation)
        case "steer":
            return _about(situation) or _steer(asked.action.steer, situation)
        case _:
            return Reason.REASON_NOT_SUPPORTED


def _task(asked: Readable, situation: Situation) -> Reason.ValueType | None:
    task, known = asked.action.task, situation.task
    if asked.action.action_id != asked.command.task_id:
        return Reason.REASON_PROTOCOL_VIOLATION
    if known is not None:
        if known.thread != situation.thread or not _same_words(known.action, asked.action):
            return Reason.REASON_ID_REUSED
        if known.state not in {State.HANDED_OVER, State.REFUSED} or asked.command.attempt <= known.attempt:
            return Reason.REASON_ATTEMPT_SUPERSEDED
    if len(task.attachments) > ATTACHMENTS:
        return Reason.REASON_BAD_REQUEST
    if not task.text.strip():
        return Reason.REASON_BAD_REQUEST
    if len(task.text.encode()) > TEXT_BYTES:
        return Reason.REASON_TOO_LARGE
    if task.text.split(maxsplit=1)[0].lower() == "/schedule":
        return Reason.REASON_SCHEDULE_ON_HOST
    if not situation.arrived:
        return Reason.REASON_ATTACHMENT_MISSING
    if situation.waiting >= WAITING_LIMIT:
        return Reason.REASON_QUEUE_FULL
    return None


def _about(situation: Situation) -> Reason.ValueType | None:
    """Look whether there is such a task of this phone, and whether it goes on."""
    known = situation.task
    if known is None or known.thread != situation.thread:
        return Reason.REASON_TASK_UNKNOWN
    if known.state in OUTCOMES:
        return Reason.REASON_TASK_OVER
    return None if known.state in OPEN else Reason.REASON_TASK_UNKNOWN


def _answer(answer: Answer, situation: Situation) -> Reason.ValueType | None:
    if situation.question is None:
        return Reason.REASON_QUESTION_CLOSED
    return None if answers.fits(situation.question, answer) else Reason.REASON_BAD_REQUEST


def _steer(steer: Steer, situation: Situation) -> Reason.ValueType | None:
    if situation.task is None or situation.task.state in QUEUED or not situation.takes_words:
        return Reason.REASON_NOT_STEERABLE
    if not steer.text.strip():
        return Reason.REASON_BAD_REQUEST
    return Reason.REASON_TOO_LARGE if len(steer.text.encode()) > STEER_BYTES else None


def _same_words(known: bytes, action: Action) -> bool:
    before = Action()
    before.ParseFromString(known)
    return before == action
