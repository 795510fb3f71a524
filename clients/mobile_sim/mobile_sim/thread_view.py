"""The thread as lines: the host's events in their order, and between them what this phone sent and the host never had."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import Event as ThreadEvent
from dispatch.ids import TaskId

from mobile_sim.reading import fact_of, outcome_word, reason_word
from mobile_sim.store import Pairing, Store, StoredEvent, Task
from mobile_sim.task_view import ON_THE_WAY, State, last_line, view_of

Line = dict[str, Any]

_NEVER_THERE = ON_THE_WAY | {State.REFUSED, State.NOT_SENT}


def lines_of(store: Store, pairing: Pairing) -> list[Line]:
    """List a pairing's thread, oldest first."""
    lines: list[Line] = []
    own = [task for task in store.tasks.of_pairing(pairing.pair_id) if task.state in _NEVER_THERE]
    for stored in store.thread.events(pairing.pair_id):
        while own and own[0].after_number < stored.number:
            lines += _own_lines(store, own.pop(0))
        if stored.shown:
            lines.append(line_of(stored))
    for task in own:
        lines += _own_lines(store, task)
    return [line | {"host": pairing.host_name} for line in lines]


def line_of(stored: StoredEvent) -> Line:
    """Write one event of the host as a line."""
    if stored.content is None:
        return {"event": "lost", "number": stored.number}
    event = ThreadEvent.FromString(stored.content)
    kind = event.WhichOneof("event") or "unknown"
    line: Line = {"event": kind, "number": event.number, "at": event.at_ms}
    if event.task_id:
        line["task_id"] = _task(TaskId(event.task_id))
    match kind:
        case "accepted":
            return line | {"text": event.accepted.text, "attempt": event.accepted.attempt}
        case "ended":
            reason = reason_word(event.ended.reason)
            line |= {"outcome": outcome_word(event.ended.outcome), "text": event.ended.text}
            return line | ({"reason": reason, "advice": errors.of_word(reason).advice} if reason else {})
        case "paired":
            return line | {"phone": event.paired.phone_name, "again": event.paired.again}
        case "steered":
            return line | {"text": event.steered.text}
        case "artifact":
            return line | {"name": event.artifact.file.name, "size": event.artifact.file.size}
        case "unknown":
            return line | {"text": "This app is too old to show this.", "advice": "Update it."}
    fact = fact_of(event)
    if fact is None:
        return line
    shown: dict[str, Line] = {
        "waiting": {"position": fact.position},
        "started": {"agent": fact.agent},
        "step": {"title": fact.text, "detail": fact.detail},
        "result_text": {"event": "text", "text": fact.text},
        "question": {"event": "asking", "text": fact.text, "choices": list(fact.choices), "detail": fact.detail},
        "answered": {"text": fact.text, "by": event.answered.by},
    }
    return line | shown.get(kind, {})


def _own_lines(store: Store, task: Task) -> list[Line]:
    """Write a task that the host never had: the words, and what became of them."""
    asked = {"event": "asked", "task_id": _task(task.task_id), "at": task.made_at_ms, "text": task.text}
    return [asked, last_line(view_of(store.tasks.facts(task.task_id))) | {"task_id": _task(task.task_id)}]


def _task(task_id: TaskId) -> str:
    return str(UUID(bytes=bytes(task_id))) if len(task_id) == 16 else task_id.hex()
