"""Says what a doctor found: an object a link for programs, a line for people, and at the end the one thing to do.

docs/cli.md has the keys.
"""

from __future__ import annotations

from typing import Any

from dispatch import errors
from dispatch.cli import Console, Exit
from dispatch.doctor.chain import Found, State, first_broken
from dispatch.plain import one_line

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.BROKEN: "red", State.NOT_REACHED: None}
_SIGNS = {State.OK: "✓", State.WARNING: "!", State.BROKEN: "✗", State.NOT_REACHED: "·"}
_LONGEST = 400


def event_of(found: Found) -> dict[str, Any]:
    """Write a finding as an object."""
    finding = found.finding
    event = {"event": "link", "link": found.link, "state": finding.state.value, "text": finding.text}
    more = {
        "about": found.about,
        "advice": finding.advice,
        "reason": errors.word(finding.reason) if finding.reason else "",
    }
    return event | {name: value for name, value in more.items() if value}


def line_of(event: dict[str, Any], console: Console) -> str:
    """Write a finding as a line."""
    words, style = worded(event)
    return console.styled(words, **style)


def worded(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give a finding's line and its style."""
    state = State(event["state"])
    name = one_line(f"{event['link']} {event.get('about', '')}".strip(), _LONGEST)
    said = "" if state is State.NOT_REACHED else state.value  # its text says so
    words = f"{_SIGNS[state]} {said:<8}{name:<18} {one_line(event['text'], _LONGEST)}"
    return words, {"fg": _COLOURS[state], "dim": state is State.NOT_REACHED}


def verdict_of(found: list[Found]) -> dict[str, Any]:
    """Write the last object: whether all is well, and if not what to mend first, and what then."""
    warnings = [one for one in found if one.finding.state is State.WARNING]
    first = first_broken(found) or next(iter(warnings), None)
    wrong = [one for one in found if one.finding.state is State.BROKEN] + warnings
    verdict: dict[str, Any] = {
        "event": "doctor",
        "ok": first is None,
        "broken": first.link if first is not None and first.finding.state is State.BROKEN else None,
        "warnings": len(warnings),
        "then": [f"{one.link} {one.about}".strip() for one in wrong if one is not first],
    }
    if first is not None:
        verdict |= {"first": first.link} | ({"about": first.about} if first.about else {})
        verdict |= {"text": first.finding.text, "advice": first.finding.advice}
    return verdict


def last_line_of(verdict: dict[str, Any], console: Console) -> str:
    """Write the last object as a line."""
    words, style = verdict_worded(verdict)
    return console.styled(words, **style)


def verdict_worded(verdict: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the last object's line and its style."""
    if verdict["ok"]:
        return "All is well.", {"fg": "green", "bold": True}
    about = f" {verdict['about']}" if verdict.get("about") else ""
    what = (
        f"Broken: {verdict['broken']}{about}."
        if verdict["broken"]
        else f"Nothing is broken; {verdict['warnings']} to know of, first {verdict['first']}{about}."
    )
    then = f" Then: {', '.join(verdict['then'])}." if verdict["then"] else ""
    return one_line(f"{what} {verdict['advice']}{then}", _LONGEST), {"bold": True}


def exit_of_verdict(verdict: dict[str, Any]) -> Exit:
    """Give the exit code: 0 only if all is well."""
    if verdict["ok"]:
        return Exit.DONE
    return Exit.FAILED if verdict["broken"] else Exit.REFUSED
