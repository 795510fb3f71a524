"""The events that a host writes into a thread, before they have a number. Pure; called by the steps and the runner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device import question_words
from dispatch.files.description import Described

from dispatch_host.schedule.entry import Run, Tell

TEXT_PART_BYTES = 48 * 1024
"""Longest text of one event: with its frame it fits one sealed body of 65,532 bytes."""

_ACCEPTED_TEXT_BYTES = 12 * 1024
_BEGINNING_BYTES = 4 * 1024
_PREVIEW_BYTES = 32 * 1024
"""With the most that text, choices and rule of a question may take it fits one sealed body."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event to be: everything but its place."""

    task_id: bytes
    event: pb.Event = field(repr=False)


def paired(*, phone_name: str, host_name: str, again: bool) -> Entry:
    """Begin a pairing."""
    return Entry(b"", pb.Event(paired=pb.Paired(phone_name=phone_name, host_name=host_name, again=again)))


def restored(phone: pb.Head) -> Entry:
    """Mark that the host was set back."""
    return Entry(b"", pb.Event(restored=pb.Restored(phone_head=phone)))


def accepted(command: pb.UpCommand, *, text: str) -> Entry:
    """Say that the host has a task. Long words are in the signed action only, not twice in one event."""
    words = text if len(text.encode()) <= _ACCEPTED_TEXT_BYTES else ""
    event = pb.Accepted(
        attempt=command.attempt,
        text=words,
        action=command.action,
        phone_head=command.head,
        signature=command.signature,
    )
    return Entry(command.task_id, pb.Event(accepted=event))


def scheduled(task_id: bytes, schedule_id: bytes, text: str, run: Run) -> Entry:
    """Say that the host began a task of its own."""
    event = pb.Scheduled(
        schedule_id=schedule_id, text=text, due_at_ms=run.due_ms, late=run.late, instead_of=run.instead_of
    )
    return Entry(task_id, pb.Event(scheduled=event))


def missed(schedule_id: bytes, text: str, tell: Tell) -> Entry:
    """Say that a task was due and is not run."""
    event = pb.Missed(
        schedule_id=schedule_id,
        text=_cut(text, 1024),
        from_ms=tell.from_ms,
        to_ms=tell.to_ms,
        count=tell.count,
        reason=tell.why,
    )
    return Entry(b"", pb.Event(missed=event))


def waiting(task_id: bytes, position: int, *, asking: bool, asking_task_id: bytes) -> Entry:
    """Say that others are before it, and whether the first of them asks a person."""
    said = pb.Waiting(position=position, asking=asking, asking_task_id=asking_task_id)
    return Entry(task_id, pb.Event(waiting=said))


def started(task_id: bytes, agent: str) -> Entry:
    """Say that the agent works on it."""
    return Entry(task_id, pb.Event(started=pb.Started(agent=agent)))


def step(task_id: bytes, title: str, detail: str) -> Entry:
    """Tell what the agent did."""
    return Entry(task_id, pb.Event(step=pb.Step(title=_cut(title, 1024), detail=_cut(detail, TEXT_PART_BYTES - 2048))))


def question(task_id: bytes, asked: pb.Question) -> Iterator[Entry]:
    """Ask. A preview that is too long to be said in one event stands whole in the steps before it; its beginning here."""
    if len(asked.preview.encode()) > _PREVIEW_BYTES:
        shown = list(parts(asked.preview, TEXT_PART_BYTES - 2048))
        for number, part in enumerate(shown, start=1):
            yield step(task_id, question_words.part_title(number, len(shown)), part)
        asked = pb.Question.FromString(asked.SerializeToString())
        beginning = next(parts(asked.preview, _BEGINNING_BYTES))
        asked.parts = len(shown)
        asked.preview = f"{beginning}\n\n… All of it stands in the {len(shown)} steps before this question."
    yield Entry(task_id, pb.Event(question=asked))


def agents_title(title: str) -> str:
    """Give the title of an agent's own step, which is never that of a part of what the host asks about."""
    said = clean(title)
    return f"“{said}”" if question_words.is_part_title(said) else said


def answered(task_id: bytes, closed: pb.Answered) -> Entry:
    """Close a question."""
    return Entry(task_id, pb.Event(answered=closed))


def steered(task_id: bytes, text: str) -> Entry:
    """Say that the agent got what the person added."""
    return Entry(task_id, pb.Event(steered=pb.Steered(text=text)))


def steer_refused(task_id: bytes, text: str, reason: Reason.ValueType) -> Entry:
    """Say that it did not."""
    return Entry(task_id, pb.Event(steer_refused=pb.SteerRefused(text=text, reason=reason)))


def artifact(task_id: bytes, file: Described) -> Entry:
    """Name a file that the phone may get."""
    return Entry(task_id, pb.Event(artifact=pb.Artifact(file=file.attachment())))


def result(task_id: bytes, text: str) -> Iterator[Entry]:
    """Give the answer, in as many parts as it takes."""
    for part in parts(text, TEXT_PART_BYTES):
        yield Entry(task_id, pb.Event(result_text=pb.ResultText(text=part)))


def ended(task_id: bytes, outcome: Outcome.ValueType, reason: Reason.ValueType, text: str = "") -> Iterator[Entry]:
    """End a task. What is too long to be said in the last event is said as a result before it."""
    if len(text.encode()) > _ACCEPTED_TEXT_BYTES:
        yield from result(task_id, text)
        text = ""
    yield Entry(task_id, pb.Event(ended=pb.Ended(outcome=outcome, reason=reason, text=text)))


def clean(text: str) -> str:
    """Give a text that every device can show: what is no UTF-8 (a file name's bytes) becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def parts(text: str, limit: int) -> Iterator[str]:
    """Cut a text into parts of at most `limit` bytes of UTF-8, never inside a character, and at line ends where there are some."""
    content = text.encode()
    at = 0
    while at < len(content):
        end = min(at + limit, len(content))
        if end < len(content):
            line = content.rfind(b"\n", at, end)
            end = line + 1 if line > at else _whole(content, end)
        yield content[at:end].decode()
        at = end


def _whole(content: bytes, end: int) -> int:
    while content[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _cut(text: str, limit: int) -> str:
    return next(parts(text, limit), "")
