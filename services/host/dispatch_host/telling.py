"""Writes a host's values for the command line: objects for programs, lines for people. Pure; called by `cli`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as host
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.cli import policy_told, policy_words
from dispatch.device import awake_words, key_words, permission_words, question_words, service_clock
from dispatch.device.telling import Told, event_told, reason_told, task_word
from dispatch.plain import one_line
from dispatch.words import ENGLISH, Words, filled
from dispatch.words.spoken import spoken

from dispatch_host import thread_words
from dispatch_host.phone_words import phone_names

_SHORT_ID = 8
"""Enough of a task's id to tell whose a line is, and to name it."""
_INDENT = "  "


def event(content: bytes, words: Words = ENGLISH) -> tuple[Told, str]:
    """Give an event of the thread as an object and as lines, of which only the first begins at the edge."""
    told = event_told(thread.Event.FromString(content))
    at = datetime.fromtimestamp(told["at"] / 1000).astimezone().strftime("%H:%M:%S")
    whose = str(told.get("task_id", ""))[:_SHORT_ID]
    head = f"{at}  {whose:{_SHORT_ID}}  "
    # An agent's answer stands further in: it never begins where the sign of what a person did stands.
    indent = _INDENT if told["event"] in ("text", "ended") else ""
    lines = thread_words.said(spoken(told, words), words).splitlines() or [""]
    first = lines[0] if told["event"] == "ended" else indent + lines[0]
    return told, "\n".join([head + first, *(" " * len(head) + indent + line for line in lines[1:])])


def status(found: host.GetStatusResponse) -> dict[str, Any]:
    """Give a status as an object."""
    return {
        "event": "status",
        "running": found.running,
        "device": found.device_name,
        "account": found.account,
        "server": found.server,
        "pairings": [
            {
                "pair_id": pairing.pair_id.hex(),
                "phone": pairing.phone_name,
                "connected": pairing.connected,
                "phone_attached": pairing.phone_attached,
                "relay": pairing.relay,
                "path": "direct" if pairing.direct else "relay",
                **reason_told(pairing.reason),
            }
            for pairing in found.pairings
        ],
        "running_task": task(found.running_task) if found.HasField("running_task") else None,
        "waiting_tasks": [task(one) for one in found.waiting_tasks],
        "folders": [folder(one) for one in found.folders],
        "key_store": found.key_store,
        "folder_guard": found.folder_guard,
        "clock_off_ms": found.clock_off_ms if found.HasField("clock_off_ms") else None,
        "direct_addresses": list(found.direct_addresses),
        "keep_awake": keep_awake(found.keep_awake),
        **permission_words.told(found.permissions),
        "questions": [_asked(one) for one in found.questions],
        "connectors": [{"connector": one.name, "state": one.state, "text": one.text} for one in found.connectors],
        "agent": found.agent,
    }


def status_lines(found: host.GetStatusResponse, words: Words = ENGLISH) -> Iterator[str]:
    """Give a status as lines."""
    say = words.window
    account = (
        say("signed_in_at", account=found.account, server=found.server) if found.account else say("signed_out_here")
    )
    how = say("runs" if found.running else "runs_not")
    yield f"{found.device_name or words.page['title']}: {how}, {account}"
    if not found.pairings:
        yield f"  {say('no_phone_here')}"
    for pairing, name in zip(found.pairings, phone_names(found.pairings), strict=True):
        yield f"  {name}: {_connection(pairing, words)}"
    if found.HasField("running_task"):
        current = found.running_task
        by = f" ({one_line(current.agent, 80)})" if current.agent else ""
        yield f"  {say('works_on', phone=f'{current.phone_name}{by}', text=_first_line(current.text))}"
    for one in found.waiting_tasks:
        about = {"position": str(one.position), "phone": one.phone_name, "text": _first_line(one.text)}
        yield f"  {say('waits_in_line', **about)}"
    for asked in found.questions:
        yield f"  {say('asks_this', text=_question(asked, words))} (dispatch-host questions)"
    if not found.folders:
        yield f"  {say('no_folder')}"
    for line in permission_words.lines(permission_words.told(found.permissions), words):
        yield f"  {line}"
    for connector in found.connectors:
        why = f", {one_line(connector.text, 200)}" if connector.text else ""
        yield f"  {say('connector', name=one_line(connector.name, 80) or 'file')}: {connector.state}{why}"
    if found.direct_addresses:
        yield f"  {say('come_directly', addresses=', '.join(found.direct_addresses))}"
    yield f"  {say('agent', agent=one_line(found.agent, 80))}"
    yield keep_awake_words(found.keep_awake, words)
    yield f"  keys: {found.key_store}; folders are guarded by {found.folder_guard}"
    if warning := key_words.words(found.key_store):
        yield f"  {warning}"
    if found.HasField("clock_off_ms") and (wrong := service_clock.words(found.clock_off_ms)):
        yield f"  {wrong}"


def connection_words(found: host.GetStatusResponse, words: Words = ENGLISH) -> tuple[str, bool]:
    """Say in one line which phones this host is connected with, and whether with any."""
    names = phone_names(found.pairings)
    with_ = [name for one, name in zip(found.pairings, names, strict=True) if one.connected or one.direct]
    if with_:
        return words.window("connected_to", phones=", ".join(with_)), True
    if not found.running:
        return words.window("start_it"), False
    if not found.pairings:
        return words.window("no_phone"), False
    return words.window("not_connected_to", phones=", ".join(names)), False


def pairing_ended(ended: host.PairEnded, words: Words = ENGLISH) -> tuple[dict[str, Any], str, str]:
    """Give how a pairing ended as an object, as the words that say so, and what else there is to say."""
    if not ended.reason:
        paired = {"event": "paired", "phone": ended.peer, "pair_id": ended.pair_id.hex()}
        return paired, filled(words.page["paired"], phone=one_line(ended.peer, 64)), ""
    error = errors.of(ended.reason, metadata=ended.metadata)
    told = {
        "event": "not_paired",
        "reason": errors.word(error.reason),
        "text": error.sentence,
        "advice": error.advice,
        **policy_told(error),
    }
    said = error.words_in(words)
    more = " ".join(filter(None, (said.sentence, policy_words(error.metadata), said.advice)))
    return told, words.window("not_paired"), more


def file_line(told: Told, words: Words = ENGLISH) -> Iterator[str]:
    """Give the files that an event of the thread tells of as lines: what came with a task, what a phone can fetch."""
    at = datetime.fromtimestamp(told["at"] / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    if told["event"] == "artifact":
        yield f"{at}  {words.window('to_phone'):15} {one_line(told['name'], 80)} ({told['size']:,} bytes)"
    for one in told.get("attachments", []):
        yield f"{at}  {words.window('from_phone'):15} {one_line(one['name'], 80)} ({one['size']:,} bytes)"


def task(one: host.TaskStatus) -> dict[str, Any]:
    """Give a task as an object."""
    told = {
        "task_id": task_word(one.task_id),
        "text": one.text,
        "phone": one.phone_name,
        "accepted_at": one.accepted_at_ms,
        "state": one.state,
        "scheduled": one.scheduled,
        **reason_told(one.reason),
    }
    told |= {"agent": one.agent} if one.agent else {}
    return told | ({"position": one.position} if one.position else {})


def listed(one: host.TaskStatus, asked: host.OpenQuestion | None) -> dict[str, Any]:
    """Give a task as an object, with what it asks."""
    return {"event": "listed", **task(one)} | ({"asks": _asked(asked)} if asked is not None else {})


def listed_lines(one: host.TaskStatus, asked: host.OpenQuestion | None, words: Words = ENGLISH) -> Iterator[str]:
    """Give it as lines."""
    at = datetime.fromtimestamp(one.accepted_at_ms / 1000).astimezone().strftime("%H:%M")
    standing = words.states.get(one.state)
    state = standing.word if standing is not None else one.state.replace("_", " ")
    state += f", {words.line('in_line', position=str(one.position))}" if one.position else ""
    state += f": {errors.word(one.reason)}" if one.reason else ""
    whose = f"{words.line('by_schedule')}, " if one.scheduled else ""
    phone = filled(words.page["for_phone"], phone=one_line(one.phone_name, 80))
    yield f"{at}  {state:<28} {_first_line(one.text)} ({whose}{phone})"
    yield f"       {task_word(one.task_id)}"
    if asked is not None:
        yield f"       {words.window('asks_this', text=_question(asked, words))} (dispatch-host answer)"


def question(asked: host.OpenQuestion) -> dict[str, Any]:
    """Give an open question as an object."""
    return {"event": "asking", **_asked(asked)}


def question_lines(asked: host.OpenQuestion, words: Words = ENGLISH) -> Iterator[str]:
    """Give it as lines, with how to answer."""
    about = {"phone": one_line(asked.phone_name, 80), "text": _first_line(asked.task_text)}
    yield words.window("asked_for", **about)
    yield from (f"  {line}" for line in question_words.lines(asked.question, words))
    yield f"  dispatch-host answer {task_word(asked.task_id)} …"


def audit_line(line: host.ReadAuditResponse) -> dict[str, Any]:
    """Give a line of the audit log as an object."""
    told = {
        "event": "used",
        "at": line.at_ms,
        "task_id": task_word(line.task_id),
        "permission": line.permission,
        "subject": line.subject,
        "verdict": _verdict(line),
    }
    told |= {"by": line.by} if line.by else {}
    return told | ({"times": line.times, "last_at": line.last_ms} if line.times > 1 else {})


def audit_words(line: host.ReadAuditResponse) -> str:
    """Give it as a line."""
    at = _second(line.at_ms)
    again = f" ({line.times} times, last {_second(line.last_ms)})" if line.times > 1 else ""
    by = f" by {one_line(line.by, 80)}" if line.by else ""
    verdict = _verdict(line).replace("_", " ")
    return f"{at}  {verdict + by:24}  {one_line(line.permission, 200)}: {one_line(line.subject, 400)}{again}"


def _second(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def task_id(said: str) -> bytes:
    """Read a task's whole id as people and programs see it. Raises BadRequest."""
    try:
        return UUID(said).bytes
    except ValueError:
        raise errors.BadRequest("that is no task's id", metadata={"field": "task_id"}) from None


def keep_awake(found: host.KeepAwakeStatus) -> dict[str, Any]:
    """Give whether the computer is kept awake as an object."""
    told = awake_words.told(found.state) | ({"detail": found.detail} if found.detail else {})
    return told | ({"advice": errors.kind_of(found.state.reason).advice} if found.state.reason else {})


def keep_awake_words(found: host.KeepAwakeStatus, words: Words = ENGLISH) -> str:
    """Give the same as a line."""
    return f"  {awake_words.words(found.state, words)}" + (f" ({one_line(found.detail, 200)})" if found.detail else "")


def folder(one: host.Folder) -> dict[str, Any]:
    """Give an approved folder as an object."""
    return {"path": one.path, "write": one.writable}


def _connection(pairing: host.PairingStatus, words: Words) -> str:
    if pairing.direct:
        return words.window("comes_directly" if pairing.connected else "comes_directly_only")
    if pairing.connected:
        return words.window("both_connected" if pairing.phone_attached else "connected")
    if not pairing.reason:
        return words.window("connecting")
    return words.window("not_connected", why=errors.kind_of(pairing.reason).words_in(words).sentence)


def _asked(asked: host.OpenQuestion) -> dict[str, Any]:
    return {
        "task_id": task_word(asked.task_id),
        "phone": asked.phone_name,
        "at": asked.asked_at_ms,
        **question_words.told(asked.question),
    }


def _question(asked: host.OpenQuestion, words: Words) -> str:
    """Write what is asked in short, and whether in the agent's own words."""
    question = asked.question
    return one_line(question_words.asked(question.text, is_approval=bool(question.action_digest), words=words), 100)


def _verdict(line: host.ReadAuditResponse) -> str:
    return host.AuditVerdict.Name(line.verdict).removeprefix("AUDIT_VERDICT_").lower()


def _first_line(text: str) -> str:
    return one_line(text.strip().partition("\n")[0], 80)
