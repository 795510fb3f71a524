"""What a phone knows of a task: facts in the order in which it learnt them. Kept in the store, read by `task_view`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1.thread_pb2 import Event
from dispatch.device import question_words
from dispatch.ids import ID_BYTES


class Kind(StrEnum):
    """What was learnt, and from whom."""

    # The phone's own.
    SENT = "sent"
    """An attempt was written to an open stream."""
    NOT_SENT = "not_sent"
    """This phone gave up: it will not send the task again by itself. Says nothing of what was posted before."""
    UNCONFIRMED = "unconfirmed"
    """The word that the attempt waits for is overdue, or the stream broke before it: the relay's verdict, or behind it the
    host's own word."""
    DROPPED = "dropped"
    """The person does not want it sent any more."""
    OUT_OF_CONTACT = "out_of_contact"
    """The host vanished after it had accepted the task, or after the attempt was taken."""
    BACK = "back"
    """It is there again."""
    DISMISSED = "dismissed"
    """The person waits no longer for a task of which nothing can be heard."""

    ROUTED = "routed"
    """Where it is answered, as this phone decided: `path` is "here" or "host", `text` says why. What is answered here has TEXT and
    ENDED of this phone's own."""

    # The relay's word.
    HANDED_OVER = "handed_over"
    """The attempt was given to the host's stream."""
    TAKEN = "taken"
    """The relay's verdict: accepted. Not believed before the host says so under the seal."""
    REFUSED = "refused"
    """The relay's verdict: refused, for good."""
    NEVER_STORED = "never_stored"
    """The relay's log, read to its head, knows nothing of the attempt; or it never left this phone."""

    # The host's word, under the seal.
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    """A task of the host's own: it has it from the start."""
    WAITING = "waiting"
    STARTED = "started"
    STEP = "step"
    TEXT = "text"
    ASKING = "asking"
    ANSWERED = "answered"
    ARTIFACT = "artifact"
    STEERED = "steered"
    STEER_REFUSED = "steer_refused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing learnt about one task. Fields that a kind does not use stay empty."""

    kind: Kind
    at_ms: int
    """For people: the host's clock for its own words, the phone's for all others."""
    attempt: int = 0
    reason: str = ""
    """The word of a reason of the contract."""
    retry_after_ms: int = 0
    text: str = ""
    """Step: its title. Artifact: its name, and in `detail` its id. Text: Markdown. Asking: the question. Ended: the host's
    sentence."""
    detail: str = ""
    outcome: str = ""
    """Ended: the word of an outcome, in small letters."""
    position: int = 0
    asking: bool = False
    """Waiting: whether the task before all asks a person. In `detail` its id, if it is this phone's."""
    size: int = 0
    """Of an artifact."""
    agent: str = ""
    path: str = ""
    """Sent: "direct" or "relay"."""
    question_id: str = ""
    choices: tuple[str, ...] = ()
    digest: str = ""
    """Asking: of the action, in hex; empty where it is no approval."""
    rule: str = ""
    within_ms: int = 0
    by: str = ""
    """Answered: whose device said so."""
    due_at_ms: int = 0
    """Scheduled: when it was due; whether it is late, in `late`."""
    late: bool = False


def fact_of(event: Event) -> Fact | None:
    """Give what an event says of its task; None when it says nothing of one."""
    at_ms = event.at_ms
    match event.WhichOneof("event"):
        case "accepted":
            return Fact(kind=Kind.ACCEPTED, at_ms=at_ms, attempt=event.accepted.attempt)
        case "scheduled":
            said = event.scheduled
            return Fact(kind=Kind.SCHEDULED, at_ms=at_ms, text=said.text, due_at_ms=said.due_at_ms, late=said.late)
        case "waiting":
            said_place = event.waiting
            return Fact(
                kind=Kind.WAITING,
                at_ms=at_ms,
                position=said_place.position,
                asking=said_place.asking,
                detail=_task_word(said_place.asking_task_id),
            )
        case "started":
            return Fact(kind=Kind.STARTED, at_ms=at_ms, agent=event.started.agent)
        case "step":
            return Fact(kind=Kind.STEP, at_ms=at_ms, text=event.step.title, detail=event.step.detail)
        case "result_text":
            return Fact(kind=Kind.TEXT, at_ms=at_ms, text=event.result_text.text)
        case "question":
            return Fact(
                kind=Kind.ASKING,
                at_ms=at_ms,
                text=event.question.text,
                detail=event.question.preview,
                question_id=event.question.question_id.hex(),
                choices=tuple(question_words.answers(event.question)),
                digest=event.question.action_digest.hex(),
                rule=event.question.rule,
                within_ms=event.question.answer_within_ms,
            )
        case "answered":
            return Fact(
                kind=Kind.ANSWERED,
                at_ms=at_ms,
                text=question_words.answered(event.answered)["text"],
                question_id=event.answered.question_id.hex(),
                by=event.answered.by,
                reason=_reason_word(event.answered.reason),
            )
        case "artifact":
            file = event.artifact.file
            return Fact(kind=Kind.ARTIFACT, at_ms=at_ms, text=file.name, detail=file.file_id.hex(), size=file.size)
        case "steered":
            return Fact(kind=Kind.STEERED, at_ms=at_ms, text=event.steered.text)
        case "steer_refused":
            refused = event.steer_refused
            return Fact(kind=Kind.STEER_REFUSED, at_ms=at_ms, text=refused.text, reason=_reason_word(refused.reason))
        case "ended":
            return Fact(
                kind=Kind.ENDED,
                at_ms=at_ms,
                outcome=_outcome_word(event.ended.outcome),
                reason=_reason_word(event.ended.reason),
                text=event.ended.text,
            )
    return None


def _task_word(task_id: bytes) -> str:
    """Give a task's id as people see it; empty for none, and for what is none."""
    return str(UUID(bytes=task_id)) if len(task_id) == ID_BYTES else ""


def _outcome_word(outcome: Outcome.ValueType) -> str:
    """Give the outcome as it is written on the command line; one that this version does not know is a failure."""
    known = outcome in Outcome.values() and outcome != Outcome.OUTCOME_UNSPECIFIED
    return Outcome.Name(outcome).removeprefix("OUTCOME_").lower() if known else "failed"


def _reason_word(reason: Reason.ValueType) -> str:
    """Give the word of a reason; empty for none."""
    return "" if reason == Reason.REASON_UNSPECIFIED else errors.word(reason)
