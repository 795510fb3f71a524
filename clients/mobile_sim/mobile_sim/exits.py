"""With which exit code a command ends that followed a task (docs/cli.md)."""

from __future__ import annotations

from dispatch import errors
from dispatch.cli import Exit, exit_of

from mobile_sim.task_view import State, TaskView

_EXITS = {
    State.DONE: Exit.DONE,
    State.FAILED: Exit.FAILED,
    State.CANCELLED: Exit.FAILED,
    State.INTERRUPTED: Exit.FAILED,
    State.DENIED: Exit.DENIED,
    State.TIMED_OUT: Exit.DENIED,
}

_SAID_NO = (
    errors.PlanNotAllowed,
    errors.AppTooOld,
    errors.NoRoom,
    errors.FileChanged,
    errors.TooLarge,
)
"""The network is there; the operator says no, or the device that should get a file of the task does."""


def exit_of_view(view: TaskView) -> Exit:
    """Give the exit code of a follow that ends here."""
    if view.state is State.REFUSED:
        return exit_of(errors.of_word(view.reason))
    if view.state is State.NOT_SENT:
        why = errors.of_word(view.reason)
        code = exit_of(why)
        return code if code in {Exit.NOT_ALLOWED, Exit.HOST_AWAY} or isinstance(why, _SAID_NO) else Exit.NOT_SENT
    return _EXITS.get(view.state, Exit.NOT_OVER)
