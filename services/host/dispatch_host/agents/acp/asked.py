"""What an agent asks leave for, as an approval; and the answer as one of the options that it offers. Pure.

docs/external-agents.md, Its questions. What is approved is what the agent says it will do; what it can do, the sandbox decides.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from acp.schema import AllowedOutcome, DeniedOutcome, PermissionOption, RequestPermissionResponse

from dispatch_host.agents import places
from dispatch_host.agents.acp.plain import line
from dispatch_host.agents.acp.story import Call
from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.asking import JSON, RULE_BYTES, Allowed, Approval, Denied, NobodyAnswered, Reach, canonical
from dispatch_host.changes import difference
from dispatch_host.markdown import code, fenced
from dispatch_host.permissions.permission import TERMINAL, Kind, Permission
from dispatch_host.scope import Folder, around, shown

_WANTS = {
    "read": "read",
    "edit": "change files",
    "delete": "delete files",
    "move": "move files",
    "search": "search",
    "execute": "run a program",
    "fetch": "fetch from the network",
    "switch_mode": "go on in another way",
}
_EDIT = "edit"
_CHANGES = (_EDIT, "delete", "move")
Reply = Allowed | Denied | NobodyAnswered


def question(
    call: Call, options: Sequence[PermissionOption], *, agent: str, folders: Sequence[Folder], home: Path
) -> Approval:
    """Write the question for a tool call. Raises ValueError for one that can't be shown and bound to."""
    kind = str(call.get("kind") or "other")
    said = {name: value for name, value in call.items() if name not in ("toolCallId", "status", "rawOutput")}
    action = canonical({"agent": agent, "call": said})
    rule, of, permission = _rule(action, call, kind, agent, folders, home)
    return Approval(
        text=f"May {agent} {_WANTS.get(kind, 'use a tool')}?",
        action=action,
        preview=_preview(call, options),
        rule=rule,
        of=of,
        permission=permission,
    )


def answer(reply: Reply, options: Sequence[PermissionOption]) -> RequestPermissionResponse:
    """Give the option that says what a person said, and never more than that."""
    match reply:
        case Allowed(reach=reach):
            chosen = _yes(options, reach)
        case Denied():
            chosen = _first(options, "reject_once") or _first(options, "reject_always")
        case NobodyAnswered():
            return RequestPermissionResponse(
                outcome=DeniedOutcome(outcome="cancelled"),
                field_meta={"dispatch": {"reason": NotDoneReason.NOBODY_ANSWERED}},
            )
    if chosen is None:
        return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
    return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=chosen.option_id))


def approved(call: Call) -> Sequence[tuple[str, str, str]]:
    """Give the writes that a yes to a tool call is a yes to: an edit's. A yes to deleting or moving files is none to writing."""
    return _written(call) if call.get("kind") == _EDIT else []


def change_rule(agent: str, kind: str, folder: Folder, home: Path) -> tuple[str, JSON, Permission]:
    """Give the rule that files in a folder may be changed in one way, what exactly it is about, and what it stands on.

    `kind` is that of the tool call: a yes to changes is none to deleting.
    """
    rule = f"let {agent} {_WANTS[kind]} in {where(folder.path, home)}"
    fits = len(rule.encode(errors="replace")) <= RULE_BYTES
    of: JSON = {"agent": agent, "kind": kind, "folder": str(folder.path)}
    return rule if fits else "", of, Permission(Kind.FOLDER, str(folder.path), write=True)


def where(path: Path, home: Path) -> str:
    """Write a folder as people do."""
    return shown(places.where(path, home))


def _yes(options: Sequence[PermissionOption], reach: Reach) -> PermissionOption | None:
    once = _first(options, "allow_once")
    if once is not None or reach is Reach.ONCE:
        return once
    return _first(options, "allow_always")


def _first(options: Sequence[PermissionOption], kind: str) -> PermissionOption | None:
    return next((one for one in options if one.kind == kind), None)


def _rule(
    action: bytes, call: Call, kind: str, agent: str, folders: Sequence[Folder], home: Path
) -> tuple[str, JSON, Permission | None]:
    """Give the rule: a folder's files, or the exact call while a person can read it; else there is none."""
    paths = [one["path"] for one in call.get("locations", []) if isinstance(one.get("path"), str)]
    paths += [path for path, _, _ in _written(call)]
    # A difference in a call to delete or move files is more than the rule of its kind would say.
    says_all = kind == _EDIT or not any(part.get("type") == "diff" for part in call.get("content", []))
    if kind in _CHANGES and says_all and (folder := _holding(paths, folders)) is not None:
        rule, of, permission = change_rule(agent, kind, folder, home)
        return (rule, of, permission) if rule else ("", None, None)
    rule = f"let {agent} do exactly this: {shown(action.decode())}"
    if len(rule.encode()) > RULE_BYTES:
        return "", None, None
    return rule, json.loads(action), TERMINAL


def _written(call: Call) -> Sequence[tuple[str, str, str]]:
    """Give the paths with the words that a tool call says are there, and those that it would write."""
    return [
        (part["path"], str(part.get("oldText") or ""), part["newText"])
        for part in call.get("content", [])
        if part.get("type") == "diff" and isinstance(part.get("newText"), str)
    ]


def _holding(paths: Sequence[str], folders: Sequence[Folder]) -> Folder | None:
    """Give the one folder that may be changed and in which all of these lie."""
    found: set[Folder] = set()
    for path in map(Path, paths):
        holding = around(path, folders)
        if holding is None or ".." in path.parts:
            return None
        found.add(holding)
    only = next(iter(found)) if len(found) == 1 else None
    return only if only is not None and only.writable else None


def _preview(call: Call, options: Sequence[PermissionOption]) -> str:
    """Show all of a tool call: what it is called, where, what would change, and what the tool is given."""
    blocks = [f"**{code(str(call.get('title') or 'a tool call'))}**"]
    blocks += [f"- {code(str(one.get('path', '')))}" for one in call.get("locations", [])]
    for part in call.get("content", []):
        if part.get("type") == "diff":
            blocks += [f"{code(str(part.get('path', '')))}:", _difference(part)]
        elif part.get("type") == "content" and isinstance(part.get("content", {}).get("text"), str):
            blocks.append(fenced(part["content"]["text"]))
        else:
            blocks.append(fenced(json.dumps(part, indent=1)))
    if call.get("rawInput") is not None:
        blocks.append(fenced(json.dumps(call["rawInput"], indent=1, ensure_ascii=False)))
    given = _first(options, "allow_once") or _first(options, "allow_always")
    blocks.append("It offers no way to say yes." if given is None else f"A yes is given as {code(line(given.name))}.")
    return "\n\n".join(blocks)


def _difference(part: Call) -> str:
    old, new = str(part.get("oldText") or ""), str(part.get("newText") or "")
    return difference(old, new) if old else fenced(new)
