"""The life of a connector: a table, and how long one that broke is left alone. Pure; docs/connectors.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

PATIENCE_SECONDS = 5.0
"""A use waits that long for its turn to start one that broke; for more it is told to come back."""
_PAUSES = (0.0, 1.0, 5.0, 30.0, 60.0)


class State(StrEnum):
    """How a connector is. The words are those of the command line."""

    OFF = "off"
    STARTING = "starting"
    READY = "ready"
    BROKEN = "broken"


class Event(StrEnum):
    """What happens to it."""

    WANTED = "wanted"  # somebody uses it
    CAME = "came"  # it answers, and has told its tools
    WENT = "went"  # it could not be started, ended by itself, or broke a bound
    LEFT = "left"  # we ended it


STEPS: dict[tuple[State, Event], State] = {
    (State.OFF, Event.WANTED): State.STARTING,
    (State.BROKEN, Event.WANTED): State.STARTING,
    (State.STARTING, Event.CAME): State.READY,
    (State.STARTING, Event.WENT): State.BROKEN,
    (State.STARTING, Event.LEFT): State.OFF,
    (State.READY, Event.WENT): State.BROKEN,
    (State.READY, Event.LEFT): State.OFF,
}


@dataclass(frozen=True, slots=True)
class Life:
    """Where a connector stands."""

    state: State = State.OFF
    failures: int = 0  # since a call worked
    not_before: float = 0.0  # seconds of the clock that was handed in
    why: str = ""  # it is broken

    def after(self, event: Event, now: float, *, why: str = "") -> Life:
        """Give what it is then. Raises KeyError for what can't happen."""
        state = STEPS[(self.state, event)]
        if event is not Event.WENT:
            return replace(self, state=state, why="")
        pause = _PAUSES[min(self.failures, len(_PAUSES) - 1)]
        return Life(state, self.failures + 1, now + pause, why)

    def worked(self) -> Life:
        """Forget what went wrong before: a call worked."""
        return replace(self, failures=0)

    def wait_seconds(self, now: float) -> float:
        """Tell how long it is still left alone."""
        return max(0.0, self.not_before - now) if self.state is State.BROKEN else 0.0
