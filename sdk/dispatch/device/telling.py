"""Writes events of the thread as the objects of the command line: the same on phone and host (docs/cli.md). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from google.protobuf.message import DecodeError

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.device import question_words

Told = dict[str, Any]


def task_word(task_id: bytes) -> str:
    """Write a task's id as people and programs see it."""
    return str(UUID(bytes=task_id)) if len(task_id) == 16 else task_id.hex()


def outcome_word(outcome: Outcome.ValueType) -> str:
    """Write an outcome: `done`, `timed_out`; empty for none."""
    name = Outcome.Name(outcome) if outcome in Outcome.values() else "OUTCOME_UNSPECIFIED"
    return "" if outcome == Outcome.OUTCOME_UNSPECIFIED else name.removeprefix("OUTCOME_").lower()


def reason_told(reason: Reason.ValueType) -> Told:
    """Write a reason with its advice; nothing for none."""
    return {"reason": errors.word(reason), "advice": errors.kind_of(reason).advice} if reason else {}


def event_told(event: thread.Event) -> Told:
    """Write an event. Times are ms since 1970 by the host's clock."""
    kind = event.WhichOneof("event")
    told: Told = {"event": _NAMES.get(kind or "unknown", kind or "unknown"), "number": event.number, "at": event.at_ms}
    if event.task_id:
        told["task_id"] = task_word(event.task_id)
    return told | _details(event, kind)


_NAMES = {"result_text": "text", "question": "asking"}
"""Where the command line's word, which `send` prints too, is not the contract's."""


def _details(event: thread.Event, kind: str | None) -> Told:
    match kind:
        case "accepted":
            told = {"attempt": event.accepted.attempt, "text": words_of(event.accepted)}
            attached = [
                {"file_id": one.file_id.hex(), "name": one.name, "size": one.size}
                for one in attachments_of(event.accepted)
            ]
            return told | ({"attachments": attached} if attached else {})
        case "scheduled":
            said = event.scheduled
            return {
                "text": said.text,
                "schedule_id": said.schedule_id.hex(),
                "due_at": said.due_at_ms,
                "late": said.late,
                "instead_of": said.instead_of,
            }
        case "missed":
            runs = event.missed
            return {
                "text": runs.text,
                "schedule_id": runs.schedule_id.hex(),
                "from": runs.from_ms,
                "to": runs.to_ms,
                "count": runs.count,
            } | reason_told(runs.reason)
        case "waiting":
            place = event.waiting
            told = {"position": place.position, "asking": place.asking}
            return told | ({"asking_task_id": task_word(place.asking_task_id)} if place.asking_task_id else {})
        case "started":
            return {"agent": event.started.agent}
        case "step":
            return {"title": event.step.title, "detail": event.step.detail}
        case "result_text":
            return {"text": event.result_text.text}
        case "question":
            return question_words.told(event.question)
        case "answered":
            return question_words.answered(event.answered) | reason_told(event.answered.reason)
        case "ended":
            ended = event.ended
            return {"outcome": outcome_word(ended.outcome), "text": ended.text} | reason_told(ended.reason)
        case "steered":
            return {"text": event.steered.text}
        case "steer_refused":
            return {"text": event.steer_refused.text} | reason_told(event.steer_refused.reason)
        case "artifact":
            file = event.artifact.file
            return {"file_id": file.file_id.hex(), "name": file.name, "size": file.size}
        case "paired":
            return {"phone": event.paired.phone_name, "host": event.paired.host_name, "again": event.paired.again}
        case "restored":
            return {"from": event.restored.phone_head.number}
        case _:
            return {"text": "This app is too old to show this.", "advice": "Update it."}


def attachments_of(accepted: thread.Accepted) -> Sequence[thread.Attachment]:
    """Give the files that came with the words."""
    try:
        return thread.Action.FromString(accepted.action).task.attachments
    except DecodeError:
        return ()


def words_of(accepted: thread.Accepted) -> str:
    """Give the person's words; long ones stand in the signed action only."""
    if accepted.text or not accepted.action:
        return accepted.text
    try:
        return thread.Action.FromString(accepted.action).task.text
    except DecodeError:
        return ""  # a thread with one event that says nothing is still a thread
