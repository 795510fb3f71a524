"""Writes a host's values for the command line: objects for programs, lines for people. Pure; called by `cli`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2 as host
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as thread


def instant(at_ms: int) -> str:
    """Write a time of day in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(content: bytes) -> tuple[dict[str, Any], str]:
    """Give an event of the thread as an object and as a line."""
    one = thread.Event.FromString(content)
    kind = one.WhichOneof("event") or "unknown"
    told: dict[str, Any] = {"event": kind, "number": one.number, "at": instant(one.at_ms)}
    if one.task_id:
        told["task_id"] = one.task_id.hex()
    told |= _details(one, kind)
    words = " ".join(str(told[name]) for name in ("text", "title", "outcome", "reason", "phone") if told.get(name))
    at = datetime.fromtimestamp(one.at_ms / 1000).astimezone().strftime("%H:%M:%S")
    return told, f"{at}  {kind.replace('_', ' '):12} {words}"


def _details(one: thread.Event, kind: str) -> dict[str, Any]:
    match kind:
        case "accepted":
            return {"attempt": one.accepted.attempt, "text": _words(one.accepted)}
        case "waiting":
            return {"position": one.waiting.position}
        case "started":
            return {"agent": one.started.agent}
        case "step":
            return {"title": one.step.title, "detail": one.step.detail}
        case "result_text":
            return {"text": one.result_text.text}
        case "ended":
            outcome = Outcome.Name(one.ended.outcome).removeprefix("OUTCOME_").lower()
            return {"outcome": outcome, "text": one.ended.text} | _reason(one.ended.reason)
        case "paired":
            return {"phone": one.paired.phone_name, "host": one.paired.host_name, "again": one.paired.again}
        case _:
            return {}


def _words(accepted: thread.Accepted) -> str:
    """Give the person's words; long ones stand in the signed action only."""
    if accepted.text or not accepted.action:
        return accepted.text
    return thread.Action.FromString(accepted.action).task.text


def _reason(reason: Reason.ValueType) -> dict[str, Any]:
    return {"reason": errors.word(reason)} if reason else {}


def status(found: host.GetStatusResponse) -> dict[str, Any]:
    """Give a status as an object."""
    return {
        "event": "status",
        "running": found.running,
        "device_name": found.device_name,
        "account": found.account,
        "server": found.server,
        "pairings": [
            {
                "pair_id": pairing.pair_id.hex(),
                "phone": pairing.phone_name,
                "connected": pairing.connected,
                "phone_attached": pairing.phone_attached,
                "relay": pairing.relay,
                **_reason(pairing.reason),
            }
            for pairing in found.pairings
        ],
        "running_task": _task(found.running_task) if found.HasField("running_task") else None,
        "waiting_tasks": [_task(task) for task in found.waiting_tasks],
        "folders": [folder(one) for one in found.folders],
        "key_store": found.key_store,
        "folder_guard": found.folder_guard,
    }


def status_lines(found: host.GetStatusResponse) -> Iterator[str]:
    """Give a status as lines."""
    account = f"{found.account} at {found.server}" if found.account else "not signed in (dispatch-host login)"
    yield f"{found.device_name or 'This computer'}: {'running' if found.running else 'not running'}, {account}"
    if not found.pairings:
        yield "  no phone is paired (dispatch-host pair)"
    for pairing in found.pairings:
        yield f"  {pairing.phone_name}: {_connection(pairing)}"
    if found.HasField("running_task"):
        yield f"  working on, for {found.running_task.phone_name}: {_first_line(found.running_task.text)}"
    for position, task in enumerate(found.waiting_tasks, start=1):
        yield f"  waiting, {position}., for {task.phone_name}: {_first_line(task.text)}"
    if not found.folders:
        yield "  no folder is approved (dispatch-host folders add PATH)"
    for one in found.folders:
        yield f"  may {'read and change' if one.writable else 'read'}: {one.path}"
    yield f"  keys: {found.key_store}; folders are guarded by {found.folder_guard}"


def folder(one: host.Folder) -> dict[str, Any]:
    """Give an approved folder as an object."""
    return {"path": one.path, "write": one.writable}


def _connection(pairing: host.PairingStatus) -> str:
    if pairing.connected:
        return f"Connected{', the phone too' if pairing.phone_attached else ''}"
    why = errors.kind_of(pairing.reason).sentence if pairing.reason else "connecting"
    return f"not connected: {why}"


def _task(task: host.TaskStatus) -> dict[str, Any]:
    return {
        "task_id": task.task_id.hex(),
        "text": task.text,
        "phone": task.phone_name,
        "accepted_at": instant(task.accepted_at_ms),
    }


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 80 else f"{line[:79]}…"
