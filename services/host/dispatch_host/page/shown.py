"""Turns what the front desk says into what the page shows, in the person's language. Pure; the script puts it in as text."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.device import awake_words, permission_words, question_words
from dispatch.device.telling import event_told, outcome_word, task_word
from dispatch.plain import one_line, plain
from dispatch.words import Words, filled
from dispatch.words.spoken import spoken

from dispatch_host import phone_words, thread_words
from dispatch_host.page.formatted import formatted

Shown = dict[str, Any]

EVENTS = 200
"""Of a thread; the newest."""
FORMATTED = 200_000
"""So many characters of a thread's answers are laid out, the newest; the others stand there as they came."""
FILES = 50
TASKS = 50
_LINE = 300
_OVER = frozenset(outcome_word(outcome) for outcome in Outcome.values() if outcome)
"""How a task stands that has ended."""


def state(status: pb.GetStatusResponse, tasks: Sequence[pb.TaskStatus], words: Words) -> Shown:
    """Give everything but a thread."""
    page = words.page
    account = {"device": status.device_name, "account": status.account, "server": status.server}
    return {
        "running": status.running,
        "about": _filled(page["signed_in"], account) if status.account else page["signed_out"],
        "phones": [
            _phone(one, name, words)
            for one, name in zip(status.pairings, phone_words.phone_names(status.pairings), strict=True)
        ],
        "task": _task(status.running_task, words) if status.HasField("running_task") else None,
        "waiting": [_task(one, words) for one in status.waiting_tasks],
        "questions": [_question(one, words) for one in status.questions],
        "permissions": [
            *(_permission(one, words) for one in status.permissions.permissions),
            *(_always(one, words) for one in status.permissions.always),
        ],
        "awake": _awake(status.keep_awake, words),
        "history": [_task(one, words) for one in reversed(tasks) if one.state in _OVER][:TASKS],
    }


def absent(words: Words) -> Shown:
    """Give what is shown while no host runs."""
    return {"running": False, "about": words.page["not_running"]}


async def told(events: AsyncIterator[bytes], words: Words) -> Shown:
    """Read a thread from its beginning, and give its newest events, those of a task together, and files."""
    kept: deque[Shown] = deque(maxlen=EVENTS)
    heads: dict[str, Shown] = {}  # what was asked, by task: its event may be older than the newest
    files: deque[Shown] = deque(maxlen=FILES)
    approvals: set[str] = set()  # an agent's own choice may be called "always", and is none
    async for content in events:
        event = event_told(thread.Event.FromString(content))
        files.extend(_file(one, words.page["file_came"]) for one in event.get("attachments", ()))
        if event["event"] == "artifact":
            files.append(_file(event, words.page["file_made"]))
        if event["event"] == "asking" and "digest" in event:
            approvals.add(event["question_id"])
        to_approval = event["event"] == "answered" and event["question_id"] in approvals
        if (line := _line(event, words, approval=to_approval)) is not None:
            line["task"] = event.get("task_id", "")
            kept.append(line)
            if line["kind"] == "asked":
                heads[line["task"]] = line
                if len(heads) > EVENTS:
                    del heads[next(iter(heads))]
    _format(kept)
    return {"events": _by_task(kept, heads), "files": list(reversed(files))}


def _by_task(lines: Iterable[Shown], heads: Mapping[str, Shown]) -> list[Shown]:
    """Put the lines of a task together, below what was asked: another may be asked while it is worked on."""
    groups: dict[str | int, list[Shown]] = {}
    for line in lines:
        task = line["task"]
        group = groups.setdefault(task or line["number"], [])  # what is of no task stands by itself
        if not group and line["kind"] != "asked" and task in heads:
            group.append(heads[task])
        group.append(line)
    return [line for group in groups.values() for line in group]


def _format(lines: Sequence[Shown]) -> None:
    """Lay the newest answers out, as far as they are not too much: whoever writes them has no bound."""
    left = FORMATTED
    for line in reversed(lines):
        if line["kind"] == "text" and (left := left - len(line["text"])) >= 0:
            line["formatted"] = formatted(line["text"])


def pairing(event: pb.PairResponse, words: Words, *, rows: Sequence[str] = ()) -> tuple[str, Shown]:
    """Give an event of a pairing and its name. `rows` are the code's picture."""
    match event.WhichOneof("event"):
        case "qr":
            return "qr", {"link": event.qr.link, "rows": list(rows)}
        case "code":
            peer = one_line(event.code.peer, _LINE)
            return "code", {"text": _filled(words.page["same"], {"phone": peer}), "code": event.code.code}
        case "warning":
            said = phone_words.pairing_warned(event.warning, words)
            told = {"reason": errors.word(event.warning.reason), "sentence": said.sentence, "advice": said.advice}
            return "warning", told | {"code_over": event.warning.retry_after_ms > 0}
        case _ if event.ended.reason:
            return "ended", problem(errors.of(event.ended.reason), words)
        case _:
            peer = one_line(event.ended.peer, _LINE)
            return "ended", {"sentence": _filled(words.page["paired"], {"phone": peer}), "advice": ""}


def pairing_already(words: Words) -> Shown:
    """Say that one pairing goes on, and where: not in the words of a reason, for none is about pages."""
    return {"reason": errors.word(errors.BadRequest.reason), "sentence": words.page["pairing_already"], "advice": ""}


def problem(error: errors.DispatchError, words: Words) -> Shown:
    """Say why not, and what to do."""
    said = error.words_in(words)
    return {"reason": errors.word(error.reason), "sentence": said.sentence, "advice": said.advice}


def _phone(one: pb.PairingStatus, name: str, words: Words) -> Shown:
    page = words.page
    here = one.connected or one.direct
    told = {"pair_id": one.pair_id.hex(), "name": name, "connected": here}
    told["title"] = _filled(page["connected_to" if here else "not_connected"], {"phone": name})
    if not here:
        said = errors.kind_of(one.reason).words_in(words) if one.reason else None
        return told | {"about": f"{said.sentence} {said.advice}" if said else page["reaching"]}
    about = page["phone_there" if one.phone_attached or one.direct else "phone_away"]
    return told | {"about": f"{about} {page['directly']}" if one.direct else about}


def _task(one: pb.TaskStatus, words: Words) -> Shown:
    page = words.page
    who = {"phone": one_line(one.phone_name, _LINE), "agent": one_line(one.agent, _LINE)}
    standing = words.states.get(one.state)
    reason = errors.kind_of(one.reason).words_in(words).sentence if one.reason else ""
    return {
        "task_id": task_word(one.task_id),
        "text": plain(one.text),
        "who": _filled(page["for" if one.agent else "for_phone"], who),
        "at": one.accepted_at_ms,
        "state": standing.word if standing is not None else one.state,
        "good": one.state == "done",
        "why": reason,
    }


def _question(asked: pb.OpenQuestion, words: Words) -> Shown:
    page, question = words.page, asked.question
    names = _approvals(words)
    approval = bool(question.action_digest)
    answers = question_words.answers(question)
    rule = {"rule": one_line(question.rule, _LINE)}
    return {
        "task_id": task_word(asked.task_id),
        "question_id": question.question_id.hex(),
        "about": one_line(asked.task_text.strip().partition("\n")[0], 80),
        "text": plain(question.text) if approval else words.line("agent_asks", text=plain(question.text)),
        "detail": plain(question.preview),
        "answers": [{"say": one, "label": names[one] if approval else one_line(one, _LINE)} for one in answers],
        "rule": _filled(page["always_for"], rule) if question.rule and approval else "",
        "who": _filled(page["asks"], {"phone": one_line(asked.phone_name, _LINE)}),
    }


def _permission(one: thread.Permission, words: Words) -> Shown:
    kind, page = permission_words.kind_word(one.kind), words.page
    key = {
        "folder": "may_change" if one.write else "may_read",
        "terminal": "may_unconfined" if one.without_sandbox else "may_terminal",
    }.get(kind, f"may_{kind}")
    told = {"permission": kind, "name": one.name, "rule": ""}
    told["text"] = _filled(page.get(key, kind), {"name": one_line(one.name, _LINE)})
    return told | {"ends_at": one.ends_at_ms}


def _always(one: thread.AlwaysRule, words: Words) -> Shown:
    said = {"name": one_line(one.rule, _LINE), "by": one_line(one.by, _LINE)}
    return {
        "permission": "",
        "name": "",
        "rule": one.rule,
        "text": _filled(words.page["may_always"], said),
        "ends_at": 0,
    }


def _awake(found: pb.KeepAwakeStatus, words: Words) -> Shown:
    """Give the mode, and the truth: whether it is kept awake now."""
    page, now = words.page, found.state
    mode = awake_words.mode_word(now.mode)
    if now.held:
        return {"mode": mode, "held": True, "about": _filled(page["awake_held"], {"by": now.held_by or "?"})}
    if now.reason:
        said = errors.kind_of(now.reason).words_in(words)
        return {"mode": mode, "held": False, "about": f"{said.sentence} {said.advice}"}
    later = f" {page['awake_later']}" if mode == "while-running" else ""
    return {"mode": mode, "held": False, "about": page["awake_not"] + later}


_KINDS = {
    "accepted": "asked",
    "scheduled": "asked",
    "text": "text",
    "ended": "ended",
    "started": "step",
    "step": "step",
    "asking": "step",
    "answered": "step",
    "artifact": "step",
    "steered": "step",
    "steer_refused": "step",
}
"""How the page draws an event; all others as a mark between tasks."""
_PASSING = frozenset({"waiting"})
"""What is of no interest once it is over: how it stands is said of the task."""


def _line(event: Shown, words: Words, *, approval: bool) -> Shown | None:
    """Give an event as a line of the thread; None for what says nothing to a person. `approval`: it answers one."""
    if event["event"] in _PASSING:
        return None
    event = spoken(event, words)
    if approval:
        event["text"] = _approvals(words).get(event["text"], event["text"])
    told = {"at": event["at"], "number": event["number"], "kind": _KINDS.get(event["event"], "mark")}
    told |= {"good": event["outcome"] == "done"} if event["event"] == "ended" else {}
    return told | {"text": thread_words.said(event, words)}


def _approvals(words: Words) -> dict[str, str]:
    """Give what the buttons of an approval say, by what they send."""
    page = words.page
    return {"once": page["once"], "task": page["task_long"], "always": page["always"], "deny": page["deny"]}


def _file(one: Mapping[str, Any], how: str) -> Shown:
    return {"name": one_line(one["name"], _LINE), "size": one["size"], "how": how}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return filled(text, **values)
