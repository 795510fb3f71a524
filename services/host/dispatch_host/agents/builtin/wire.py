"""What host and worker say to each other: one JSON object per line. The host believes nothing it has not checked here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatch_host.agents.agent import AgentEvent, Artifact, NotDone, NotDoneReason, Progress, Result, Step, Text
from dispatch_host.agents.builtin import errand, zone
from dispatch_host.agents.builtin.errand import Part
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.request import Outcome, Request
from dispatch_host.changes import MOST_BYTES, Plan
from dispatch_host.scope import Folder, KeptOut

LINE_BYTES = 2 * MOST_BYTES  # of one line from the worker: a plan in it has each of its quotes and backslashes escaped
TEXT_BYTES = 64 * 1024  # of one text in an event
MEMORY_BYTES = 256 * 1024
PATH_CHARACTERS = 16 * 1024
_KIND = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLACE = re.compile(r"(?:[A-Za-z0-9_-]{1,64}\.pyx?|<[A-Za-z_. ]{1,64}>):[0-9]{1,6}")


class OutOfBounds(Exception):
    """The worker said something that is not of this protocol."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The program raised. Its kind and place, a name and a line, are safe to log; its words may hold contents, and stay there."""

    kind: str
    where: str


def encode_request(request: Request) -> bytes:
    """Write the one line the worker reads. Names that are no UTF-8 travel as escaped surrogates."""
    return _line(
        {
            "text": request.text,
            "folders": [[str(folder.path), folder.writable] for folder in request.folders],
            "memories": [dict(memory) for memory in request.memories],
            "now": request.now.isoformat(),
            "zone": zone.said(request.now.tzinfo),
            "home": request.home,
            "keep_out": [_kept(one) for one in request.keep_out],
            "inbox": None if request.inbox is None else str(request.inbox),
            "attachments": [str(path) for path in request.attachments],
            "task_id": request.task_id,
            "earlier": list(request.earlier),
            "records": None if request.records is None else str(request.records),
            "plan": None if request.plan is None else request.plan.decode("ascii"),
            "undo": request.undo,
            "query": None if request.query is None else request.query.to_json(),
            "parts": sorted(request.parts),
        }
    )


def decode_request(line: bytes) -> Request:
    """Read what the host wrote."""
    said = json.loads(line)
    return Request(
        text=said["text"],
        folders=[Folder(Path(path), writable) for path, writable in said["folders"]],
        memories=said["memories"],
        now=zone.read(said["now"], said["zone"]),
        home=said["home"],
        keep_out=[
            KeptOut(Path(path), None if identity is None else (identity[0], identity[1]))
            for path, identity in said["keep_out"]
        ],
        inbox=None if said["inbox"] is None else Path(said["inbox"]),
        attachments=tuple(Path(path) for path in said["attachments"]),
        task_id=said["task_id"],
        earlier=tuple(said["earlier"]),
        records=None if said["records"] is None else Path(said["records"]),
        plan=None if said["plan"] is None else said["plan"].encode("ascii"),
        undo=said["undo"],
        query=None if said["query"] is None else Query.from_json(said["query"]),
        parts=frozenset(map(Part, said["parts"])),
    )


def _kept(one: Path | KeptOut) -> list[Any]:
    """Say where it is now, and what it is: by the time the worker looks, its path may lead elsewhere."""
    kept = KeptOut.at(one) if isinstance(one, Path) else one
    return [str(kept.path), kept.identity]


def encode_event(event: AgentEvent) -> bytes:
    """Write an event before the last."""
    match event:
        case Step(title, detail):
            return _line({"event": "step", "title": title, "detail": detail})
        case Text(delta):
            return _line({"event": "text", "delta": delta})
        case Progress(done, total, unit):
            return _line({"event": "progress", "done": done, "total": total, "unit": unit})
        case Artifact(path):
            return _line({"event": "artifact", "path": str(path)})
        case _:
            return encode_outcome(Outcome(event))


def encode_outcome(outcome: Outcome) -> bytes:
    """Write the last event."""
    if outcome.errand is not None:
        return _line({"event": "errand", **errand.to_json(outcome.errand)})
    if isinstance(outcome.event, NotDone):
        return _line(
            {
                "event": "not_done",
                "reason": outcome.event.reason,
                "text": outcome.event.text,
                "memory": dict(outcome.event.memory),
            }
        )
    return _line(
        {
            "event": "result",
            "text": outcome.event.text,
            "memory": dict(outcome.event.memory),
            "choices": list(outcome.choices),
            "plan": None if outcome.plan is None else outcome.plan.decode("ascii"),
            "undo": outcome.undo,
        }
    )


def encode_crash(crash: Crashed) -> bytes:
    """Write where the program raised, without what it said."""
    return _line({"event": "crashed", "kind": crash.kind, "where": crash.where})


def decode(line: bytes) -> AgentEvent | Outcome | Crashed:
    """Read what the worker wrote; raise OutOfBounds for anything it should not write."""
    try:
        said = json.loads(line)
        match said["event"]:
            case "step":
                return Step(_text(said, "title"), _text(said, "detail"))
            case "text":
                return Text(_text(said, "delta"))
            case "progress":
                return Progress(_count(said, "done"), _count(said, "total"), _text(said, "unit"))
            case "artifact":
                # Where it leads decides the scope that the host opens it through.
                return Artifact(Path(_path(said)))
            case "result":
                return Outcome(
                    Result(_text(said, "text"), _memory(said)),
                    [_plain(choice) for choice in said["choices"]],
                    _plan(said),
                    said["undo"] is True,
                )
            case "not_done":
                return Outcome(NotDone(NotDoneReason(said["reason"]), _text(said, "text"), _memory(said)))
            case "errand":
                return Outcome(
                    Result(""), errand=errand.from_json({name: said[name] for name in said if name != "event"})
                )
            case "crashed":
                return Crashed(_formed(said, "kind", _KIND), _formed(said, "where", _PLACE))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise OutOfBounds from error
    raise OutOfBounds


def _text(said: Mapping[str, Any], name: str) -> str:
    text = _plain(said[name])
    if len(text.encode()) > TEXT_BYTES:
        raise OutOfBounds
    return text


def _formed(said: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    """Take what is logged only in its form: a worker that a file has taken over must not write a file's words there."""
    text = said[name]
    if not isinstance(text, str) or form.fullmatch(text) is None:
        raise OutOfBounds
    return text


def _path(said: Mapping[str, Any]) -> str:
    """Take a path as the file system spells it: names that are no UTF-8 have surrogates."""
    path = said["path"]
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path or len(path) > PATH_CHARACTERS:
        raise OutOfBounds
    return path


def _plain(text: Any) -> str:
    """Take text only; lone surrogates could not be sent on."""
    if not isinstance(text, str):
        raise OutOfBounds
    return text.encode(errors="replace").decode()


def _plan(said: Mapping[str, Any]) -> bytes | None:
    """Take a plan only as it would be carried out: canonical, and sound as far as can be told without a look."""
    written = said["plan"]
    return None if written is None else Plan.from_bytes(_plain(written).encode("ascii")).to_bytes()


def _count(said: Mapping[str, Any], name: str) -> int:
    count = said[name]
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise OutOfBounds
    return count


def _memory(said: Mapping[str, Any]) -> dict[str, Any]:
    memory = said["memory"]
    if not isinstance(memory, dict) or len(json.dumps(memory)) > MEMORY_BYTES:
        raise OutOfBounds
    return memory


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"
