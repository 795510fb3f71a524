"""Writes the events of `dispatch.device.owner` for people, the same on phone and host. Pure but for the person's time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from dispatch.device.telling import Told
from dispatch.plain import one_line

YES_OR_NO = " Type yes or no: "
"""Behind a question, where it is answered by typing."""
_NAME = 64
_SECOND_MS, _MINUTE_MS, _HOUR_MS = 1_000, 60_000, 3_600_000


def words_of(event: Told) -> str:
    """Give the lines for an event; empty for one of another command."""
    write: Callable[[Told], str] | None = _WORDS.get(event["event"])
    return "" if write is None else write(event)


def _device(told: Told) -> str:
    name = one_line(told["name"], _NAME)
    about = [told["kind"], *([one_line(told["app_version"], 32)] if told["app_version"] else [])]
    if told["revoked_at"]:
        about.append(f"revoked {_time(told['revoked_at'])}")
    else:
        about.append("signed in" if told["signed_in"] else "not signed in")
        if told["last_seen_at"]:
            about.append(f"last seen {_time(told['last_seen_at'])}")
        if told["paired_with"]:
            about.append("paired with " + ", ".join(one_line(one["name"], _NAME) for one in told["paired_with"]))
    this = "  (this device)" if told["this_device"] else ""
    return f"{name:<24} {', '.join(about)}{this}\n{'':<24} {told['device_id']}"


def _renamed(told: Told) -> str:
    return f"{one_line(told['before'], _NAME)} is now called {one_line(told['name'], _NAME)}."


def _confirm(told: Told) -> str:
    name = one_line(told["name"], _NAME)
    what = f"Revoke this {told['kind']}, {name}?" if told["this_device"] else f"Revoke the {told['kind']} {name}?"
    return f"{what} It is signed out and unpaired for good, wherever it is.{YES_OR_NO}"


def _not_revoked(told: Told) -> str:
    return f"{one_line(told['name'], _NAME)} keeps its rights."


def _revoked(told: Told) -> str:
    name = one_line(told["name"], _NAME)
    if told["already"]:
        return f"{name} was revoked before."
    if told["this_device"]:
        return f"{name}, this device, is revoked. To use it again, sign in (login), then pair again."
    return f"{name} is revoked: it is signed out, its pairings are over, its streams are cut."


def _task(told: Told) -> str:
    way = f"{one_line(told['phone'], _NAME)} → {one_line(told['host'], _NAME)}"
    reason = f": {told['reason']}" if told.get("reason") else ""
    took = f"  {_duration(told['duration_ms'])}" if "duration_ms" in told else ""
    return f"{_time(told['at'])}  {way:<32} {told['outcome'].replace('_', ' ')}{reason}{took}"


_WORDS: dict[str, Callable[[Told], str]] = {
    "device": _device,
    "renamed": _renamed,
    "confirm": _confirm,
    "not_revoked": _not_revoked,
    "revoked": _revoked,
    "task": _task,
}


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _duration(ms: int) -> str:
    if ms < _MINUTE_MS:
        return f"{ms / _SECOND_MS:.1f} s"
    if ms < _HOUR_MS:
        return f"{ms // _MINUTE_MS} min {ms % _MINUTE_MS // _SECOND_MS} s"
    return f"{ms // _HOUR_MS} h {ms % _HOUR_MS // _MINUTE_MS} min"
