"""A small world for exploring the commit point of the direct path: phone and host, and two paths between them that break.

The phone decides by the real table (`mobile_sim.direct_verdict`); all around it is as small as can be, and each part may crash,
lose what it had not stored, and read late what lies in a buffer. Whoever drives it says what happens next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mobile_sim.direct_verdict import STEPS, Effect, Event, Status

Word = tuple[str, str]
"""What (post, taken, declined, go, withdraw), which message."""


@dataclass
class Line:
    """One stream of a path. What was written before it broke may still be read, or be lost."""

    up: deque[Word] = field(default_factory=deque)
    down: deque[Word] = field(default_factory=deque)


@dataclass
class Phone:
    # Stored.
    verdicts: dict[str, Status] = field(default_factory=dict)
    # Memory.
    late: set[str] = field(default_factory=set)
    direct: Line | None = None
    # The world's own books: every verdict that was ever decided.
    decided: dict[str, set[Status]] = field(default_factory=dict)

    def post(self, message: str) -> None:
        assert self.direct is not None
        self.verdicts[message] = Status.OPEN
        self.direct.up.append(("post", message))

    def receive(self, word: Word, relayed: Line) -> None:
        what, message = word
        if what == "taken":
            self.meet(message, Event.TOOK_LATE if message in self.late else Event.TOOK, relayed)
        elif what == "declined":
            self.meet(message, Event.DECLINED, relayed)

    def meet(self, message: str, event: Event, relayed: Line) -> None:
        """Decide, commit, then say so on the path in use: sealed words go by the relay as well."""
        step = STEPS[self.verdicts.get(message, Status.UNKNOWN), event]
        if step.status is not Status.UNKNOWN:
            self.verdicts[message] = step.status
        if step.status in {Status.TAKEN, Status.REFUSED}:
            self.decided.setdefault(message, set()).add(step.status)
        if step.effect is not Effect.NOTHING:
            (self.direct or relayed).up.append((step.effect.value, message))

    def lose_path(self, relayed: Line) -> None:
        self.direct = None
        for message in list(self.verdicts):
            self.meet(message, Event.PATH_LOST, relayed)


@dataclass
class Host:
    # Stored.
    journal: dict[str, str] = field(default_factory=dict)  # taken, started, over, withdrawn
    # Memory of one process: without it a go comes too late to be used.
    in_time: set[str] = field(default_factory=set)
    direct: Line | None = None
    # The world's own books.
    runs: dict[str, int] = field(default_factory=dict)

    def receive(self, word: Word, answer: Line, *, willing: bool) -> None:
        what, message = word
        if what == "post":
            if message not in self.journal and not willing:
                answer.down.append(("declined", message))
                return
            if message not in self.journal:
                self.journal[message] = "taken"
                self.in_time.add(message)
            answer.down.append(("taken", message))
        elif self.journal.get(message) == "taken":
            if what == "go" and message in self.in_time:
                self.runs[message] = self.runs.get(message, 0) + 1
                self.journal[message] = "started"
            else:
                self.journal[message] = "over" if what == "go" else "withdrawn"

    def ask_again(self, relayed: Line) -> None:
        """Say Taken again for all that is undecided, on the path in use."""
        for message, state in self.journal.items():
            if state == "taken":
                (self.direct or relayed).down.append(("taken", message))

    def crash(self) -> None:
        self.direct, self.in_time = None, set()
        self.journal = {m: "over" if state == "started" else state for m, state in self.journal.items()}
