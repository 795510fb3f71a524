"""Says whether a computer is kept awake, to programs and to people: the same on phone and host. Pure; docs/cli.md."""

from __future__ import annotations

from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import AwakeMode, KeepAwake

MODES = {
    "on": AwakeMode.AWAKE_MODE_ON,
    "off": AwakeMode.AWAKE_MODE_OFF,
    "while-running": AwakeMode.AWAKE_MODE_WHILE_RUNNING,
}
"""The words of the command line, and what they mean."""

_BECAUSE = {
    "KEEP_AWAKE_OFF": "it is switched off",
    "KEEP_AWAKE_DENIED": "the system does not allow it",
    "KEEP_AWAKE_UNAVAILABLE": "nothing there could do it",
    "NOT_RUNNING": "dispatch-host does not run",
}
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


def words(state: KeepAwake) -> str:
    """Say it to a person: held by what, or not, because of what."""
    return words_of_told(told(state))


def words_of_told(written: dict[str, Any]) -> str:
    """Say to a person what was written for programs."""
    mode = written["mode"] or "not said"
    if written["held"]:
        return f"keep awake ({mode}): held by {written['held_by'] or 'the system'}"
    if (reason := written.get("reason")) is not None:
        return f"keep awake ({mode}): not held, because {_BECAUSE[reason]}"
    if mode == "while-running":
        return f"keep awake ({mode}): not held now; it will be while a task runs"
    return f"keep awake ({mode}): not held yet"


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
