"""The thread as lines: the host's events in their order, and between them what was not sent, or answered on this phone."""

from __future__ import annotations

from typing import Any

from dispatch.api.thread.v1.thread_pb2 import Event as ThreadEvent
from dispatch.device.telling import event_told, task_word

from mobile_sim.store import Pairing, Store, StoredEvent, Task
from mobile_sim.task_view import ON_THE_WAY, State, last_line, view_of

Line = dict[str, Any]

_NEVER_THERE = ON_THE_WAY | {State.REFUSED, State.NOT_SENT}


def lines_of(store: Store, pairing: Pairing) -> list[Line]:
    """List a pairing's thread, oldest first."""
    lines: list[Line] = []
    own = [task for task in store.tasks.of_pairing(pairing.pair_id) if task.here or task.state in _NEVER_THERE]
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
    return event_told(ThreadEvent.FromString(stored.content))


def _own_lines(store: Store, task: Task) -> list[Line]:
    """Write a task that the host never had: the words, and what became of them."""
    asked = {"event": "asked", "task_id": task_word(task.task_id), "at": task.made_at_ms, "text": task.text}
    return [asked, last_line(view_of(store.tasks.facts(task.task_id))) | {"task_id": task_word(task.task_id)}]
