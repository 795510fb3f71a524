"""Writes the events of `dispatch.device.owner` for people, the same on phone and host. Pure but for the person's time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from dispatch.device.telling import Told
from dispatch.plain import one_line
from dispatch.words import ENGLISH, Words

YES_OR_NO = " Type yes or no: "
"""Behind a question, where it is answered by typing."""
_NAME = 64
_SECOND_MS, _MINUTE_MS, _HOUR_MS = 1_000, 60_000, 3_600_000


def words_of(event: Told, words: Words = ENGLISH) -> str:
    """Give the lines for an event; empty for one of another command."""
    write: Callable[[Told, Words], str] | None = _WORDS.get(event["event"])
    return "" if write is None else write(event, words)


def _device(told: Told, words: Words) -> str:
    say, name = words.window, one_line(told["name"], _NAME)
    about = [_kind(told, words), *([one_line(told["app_version"], 32)] if told["app_version"] else [])]
    if told["revoked_at"]:
        about.append(say("device_revoked_at", time=_time(told["revoked_at"])))
    else:
        about.append(say("device_signed_in" if told["signed_in"] else "device_signed_out"))
        if told["last_seen_at"]:
            about.append(say("device_seen", time=_time(told["last_seen_at"])))
        if told["paired_with"]:
            about.append(
                say("device_paired", names=", ".join(one_line(one["name"], _NAME) for one in told["paired_with"]))
            )
    this = f"  ({say('this_device')})" if told["this_device"] else ""
    return f"{name:<24} {', '.join(about)}{this}\n{'':<24} {told['device_id']}"


def _renamed(told: Told, words: Words) -> str:
    return words.window("renamed", before=one_line(told["before"], _NAME), name=one_line(told["name"], _NAME))


def _confirm(told: Told, words: Words) -> str:
    key = "revoke_this_sure" if told["this_device"] else "revoke_sure"
    return words.window(key, kind=_kind(told, words), name=one_line(told["name"], _NAME)) + YES_OR_NO


def _not_revoked(told: Told, words: Words) -> str:
    return words.window("not_revoked", name=one_line(told["name"], _NAME))


def _revoked(told: Told, words: Words) -> str:
    key = "revoked_before" if told["already"] else "revoked_this" if told["this_device"] else "revoked"
    return words.window(key, name=one_line(told["name"], _NAME))


def _task(told: Told, words: Words) -> str:
    way = f"{one_line(told['phone'], _NAME)} → {one_line(told['host'], _NAME)}"
    reason = f": {told['reason']}" if told.get("reason") else ""
    took = f"  {_duration(told['duration_ms'])}" if "duration_ms" in told else ""
    standing = words.states.get(told["outcome"])
    outcome = standing.word if standing is not None else told["outcome"].replace("_", " ")
    return f"{_time(told['at'])}  {way:<32} {outcome}{reason}{took}"


_WORDS: dict[str, Callable[[Told, Words], str]] = {
    "device": _device,
    "renamed": _renamed,
    "confirm": _confirm,
    "not_revoked": _not_revoked,
    "revoked": _revoked,
    "task": _task,
}
_KINDS = {"host": "kind_host", "phone": "kind_phone"}


def _kind(told: Told, words: Words) -> str:
    return words.window(_KINDS[told["kind"]]) if told["kind"] in _KINDS else told["kind"]


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _duration(ms: int) -> str:
    if ms < _MINUTE_MS:
        return f"{ms / _SECOND_MS:.1f} s"
    if ms < _HOUR_MS:
        return f"{ms // _MINUTE_MS} min {ms % _MINUTE_MS // _SECOND_MS} s"
    return f"{ms // _HOUR_MS} h {ms % _HOUR_MS // _MINUTE_MS} min"
