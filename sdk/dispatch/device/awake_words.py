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
    Reason.REASON_KEEP_AWAKE_OFF: "it is switched off",
    Reason.REASON_KEEP_AWAKE_DENIED: "the system does not allow it",
    Reason.REASON_KEEP_AWAKE_UNAVAILABLE: "nothing there could do it",
    Reason.REASON_NOT_RUNNING: "dispatch-host does not run",
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
    return written | ({"reason": errors.word(state.reason)} if state.reason in _BECAUSE else {})


def words(state: KeepAwake) -> str:
    """Say it to a person: held by what, or not, because of what."""
    mode = mode_word(state.mode) or "not said"
    if state.held:
        return f"keep awake ({mode}): held by {state.held_by or 'the system'}"
    if state.reason in _BECAUSE:
        return f"keep awake ({mode}): not held, because {_BECAUSE[state.reason]}"
    return f"keep awake ({mode}): not held now; it will be while a task runs"


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
