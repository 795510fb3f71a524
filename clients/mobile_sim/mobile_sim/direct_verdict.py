"""What becomes of a command that went by the direct path, where this phone decides. Pure: a table.

The same commit point as the relay's (docs/direct.md): the host journals a command and says Taken, the phone decides once, commits
that, and says Go or Withdraw. The host says Taken again until it has heard which, so neither answer can be lost for good.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Status(Enum):
    """What this phone has decided of a command."""

    UNKNOWN = "unknown"  # nothing is known of it: this phone was restored, or the words are not its own
    OPEN = "open"
    TAKEN = "taken"
    REFUSED = "refused"


class Event(Enum):
    """What happens to a command."""

    TOOK = "took"  # the host has journalled it
    TOOK_LATE = "took late"  # the same, after the command's time
    DECLINED = "declined"  # the host does not take it
    TIME_OVER = "time over"
    PATH_LOST = "path lost"  # the direct path has closed, or this phone's process is a new one


class Effect(Enum):
    """What the phone does about it, after it has committed the status."""

    NOTHING = "nothing"
    GO = "go"
    WITHDRAW = "withdraw"


class Step(NamedTuple):
    status: Status
    effect: Effect


STEPS: dict[tuple[Status, Event], Step] = {
    (Status.OPEN, Event.TOOK): Step(Status.TAKEN, Effect.GO),
    (Status.OPEN, Event.TOOK_LATE): Step(Status.REFUSED, Effect.WITHDRAW),
    (Status.OPEN, Event.DECLINED): Step(Status.REFUSED, Effect.NOTHING),
    (Status.OPEN, Event.TIME_OVER): Step(Status.REFUSED, Effect.WITHDRAW),
    # Nobody but this phone can give the go, so without asking anybody the command will never run.
    (Status.OPEN, Event.PATH_LOST): Step(Status.REFUSED, Effect.NOTHING),
    # The host has not heard the answer yet.
    (Status.TAKEN, Event.TOOK): Step(Status.TAKEN, Effect.GO),
    (Status.TAKEN, Event.TOOK_LATE): Step(Status.TAKEN, Effect.GO),
    (Status.REFUSED, Event.TOOK): Step(Status.REFUSED, Effect.WITHDRAW),
    (Status.REFUSED, Event.TOOK_LATE): Step(Status.REFUSED, Effect.WITHDRAW),
    (Status.UNKNOWN, Event.TOOK): Step(Status.UNKNOWN, Effect.WITHDRAW),
    (Status.UNKNOWN, Event.TOOK_LATE): Step(Status.UNKNOWN, Effect.WITHDRAW),
    # The first verdict counts.
    (Status.TAKEN, Event.DECLINED): Step(Status.TAKEN, Effect.NOTHING),
    (Status.TAKEN, Event.TIME_OVER): Step(Status.TAKEN, Effect.NOTHING),
    (Status.TAKEN, Event.PATH_LOST): Step(Status.TAKEN, Effect.NOTHING),
    (Status.REFUSED, Event.DECLINED): Step(Status.REFUSED, Effect.NOTHING),
    (Status.REFUSED, Event.TIME_OVER): Step(Status.REFUSED, Effect.NOTHING),
    (Status.REFUSED, Event.PATH_LOST): Step(Status.REFUSED, Effect.NOTHING),
    (Status.UNKNOWN, Event.DECLINED): Step(Status.UNKNOWN, Effect.NOTHING),
    (Status.UNKNOWN, Event.TIME_OVER): Step(Status.UNKNOWN, Effect.NOTHING),
    (Status.UNKNOWN, Event.PATH_LOST): Step(Status.UNKNOWN, Effect.NOTHING),
}
