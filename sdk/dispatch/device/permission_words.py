"""Says what agents may do on a host, to programs and to people: the same on phone and host. Pure; docs/cli.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.plain import one_line
from dispatch.words import ENGLISH, Words, filled

KINDS = {
    "folder": pb.PERMISSION_KIND_FOLDER,
    "terminal": pb.PERMISSION_KIND_TERMINAL,
    "network": pb.PERMISSION_KIND_NETWORK,
    "browser": pb.PERMISSION_KIND_BROWSER,
    "desktop": pb.PERMISSION_KIND_DESKTOP,
    "connector": pb.PERMISSION_KIND_CONNECTOR,
}
"""The words of the command line, and what they mean."""

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def kind_word(kind: pb.PermissionKind.ValueType) -> str:
    """Write a kind; one that is not known here is `unknown`."""
    return next((word for word, known in KINDS.items() if known == kind), "unknown")


def duration_ms(said: str) -> int:
    """Read how long: `90s`, `30m`, `2h`, `7d`. Raises BadRequest."""
    number, unit = said[:-1], said[-1:]
    if unit in _UNITS_MS and number.isascii() and number.isdecimal() and 0 < int(number) < 1_000_000:
        return int(number) * _UNITS_MS[unit]
    raise errors.BadRequest("how long is a number with s, m, h or d behind it: 2h", metadata={"field": "for"})


def permission(one: pb.Permission) -> dict[str, Any]:
    """Write a permission for programs."""
    told: dict[str, Any] = {"permission": kind_word(one.kind)}
    if one.name:
        told["name"] = one.name
    if one.kind == pb.PERMISSION_KIND_FOLDER:
        told["write"] = one.write
    if one.kind == pb.PERMISSION_KIND_TERMINAL:
        told["without_sandbox"] = one.without_sandbox
    return told | ({"ends_at": one.ends_at_ms} if one.ends_at_ms else {})


def always(rule: pb.AlwaysRule) -> dict[str, Any]:
    """Write what was allowed always for programs."""
    return {"rule": rule.rule, "by": rule.by, "at": rule.at_ms}


def told(found: pb.Permissions) -> dict[str, Any]:
    """Write all of it for programs."""
    written: dict[str, Any] = {
        "permissions": [permission(one) for one in found.permissions],
        "always": [always(rule) for rule in found.always],
    }
    return written | ({"left_out": found.left_out} if found.left_out else {})


def words(told: dict[str, Any], spoken: Words = ENGLISH) -> str:
    """Say to a person what one permission allows, from what was written for programs."""
    kind, page = told["permission"], spoken.page
    key = f"may_{kind}"
    if kind == "folder":
        key = "may_change" if told["write"] else "may_read"
    elif kind == "terminal" and told["without_sandbox"]:
        key = "may_unconfined"
    said = filled(page.get(key, spoken.window("may_unknown")), name=one_line(told.get("name", ""), 300)).rstrip()
    return said + (f", {filled(page['until'], time=_time(told['ends_at']))}" if "ends_at" in told else "")


def rule_words(told: dict[str, Any], spoken: Words = ENGLISH) -> str:
    """Say to a person what was allowed always."""
    return spoken.window("rule", rule=one_line(told["rule"], 300), by=one_line(told["by"], 80))


def lines(told: dict[str, Any], spoken: Words = ENGLISH) -> Iterator[str]:
    """Say all of it to a person, a line each; nothing where nothing is permitted."""
    for one in told["permissions"]:
        yield spoken.window("may", what=words(one, spoken))
    for rule in told["always"]:
        yield spoken.window("need_not_ask", what=rule_words(rule, spoken))
    if told.get("left_out"):
        yield spoken.window("and_more", count=str(told["left_out"]))


def named(words: Sequence[str], *, write: bool = False, without_sandbox: bool = False) -> pb.Permission:
    """Read a permission from the words of a command: `terminal`, `folder PATH`, `connector NAME`. Raises BadRequest."""
    kind = KINDS.get(words[0]) if words else None
    needs_name = kind in {pb.PERMISSION_KIND_FOLDER, pb.PERMISSION_KIND_CONNECTOR}
    if kind is None or len(words) != 1 + needs_name or not all(words):
        raise errors.BadRequest(
            "one of: folder PATH, terminal, network, browser, desktop, connector NAME, connector NAME/TOOL",
            metadata={"field": "permission"},
        )
    if write and kind != pb.PERMISSION_KIND_FOLDER:
        raise errors.BadRequest("--write is for folders", metadata={"field": "write"})
    if without_sandbox and kind != pb.PERMISSION_KIND_TERMINAL:
        raise errors.BadRequest("--without-sandbox is for the terminal", metadata={"field": "without_sandbox"})
    return pb.Permission(kind=kind, name=words[1] if needs_name else "", write=write, without_sandbox=without_sandbox)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
