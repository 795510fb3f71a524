"""Says whether a computer is kept awake, to programs and to people: the same on phone and host. Pure; docs/cli.md."""

from __future__ import annotations

from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import AwakeMode, KeepAwake
from dispatch.words import ENGLISH, Words

MODES = {
    "on": AwakeMode.AWAKE_MODE_ON,
    "off": AwakeMode.AWAKE_MODE_OFF,
    "while-running": AwakeMode.AWAKE_MODE_WHILE_RUNNING,
}
"""The words of the command line, and what they mean."""

_BECAUSE = {
    "KEEP_AWAKE_OFF": "awake_is_off",
    "KEEP_AWAKE_DENIED": "awake_denied",
    "KEEP_AWAKE_UNAVAILABLE": "awake_unavailable",
    "NOT_RUNNING": "awake_runs_not",
}
"""Why it is not held, and the words for it in the catalogue's part `window`."""
_WARNED_OF = (
    Reason.REASON_KEEP_AWAKE_OFF,
    Reason.REASON_KEEP_AWAKE_DENIED,
    Reason.REASON_KEEP_AWAKE_UNAVAILABLE,
)


def mode_word(mode: AwakeMode.ValueType) -> str:
    """Write a mode; one that is not said, or not known here, is empty."""
    return next((word for word, known in MODES.items() if known == mode), "")


def told(state: KeepAwake) -> dict[str, Any]:
    """Write it for programs."""
    written: dict[str, Any] = {
        "mode": mode_word(state.mode) or None,
        "held": state.held,
        "held_by": state.held_by or None,
    }
    reason = errors.word(state.reason) if state.reason else ""
    return written | ({"reason": reason} if reason in _BECAUSE else {})


def words(state: KeepAwake, spoken: Words = ENGLISH) -> str:
    """Say it to a person: held by what, or not, because of what."""
    return words_of_told(told(state), spoken)


def words_of_told(written: dict[str, Any], spoken: Words = ENGLISH) -> str:
    """Say to a person what was written for programs."""
    say = spoken.window
    if written["held"]:
        how = say("awake_held", by=written["held_by"] or say("awake_system"))
    elif (reason := written.get("reason")) is not None:
        how = say("awake_not_held", why=say(_BECAUSE[reason]))
    else:
        how = say("awake_later" if written["mode"] == "while-running" else "awake_not_yet")
    return say("awake", mode=written["mode"] or say("awake_unsaid"), how=how)


def warning(state: KeepAwake) -> dict[str, Any] | None:
    """Give what to warn a person of before it matters; None for nothing."""
    if state.held or state.reason not in _WARNED_OF:
        return None
    kind = errors.kind_of(state.reason)
    return {
        "event": "warning",
        "reason": errors.word(state.reason),
        "text": kind.sentence,
        "advice": kind.advice,
    }
