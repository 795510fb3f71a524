"""A small world for exploring the commit point: phone, relay and host exchange frames over lines that break.

The relay decides by the real tables (`dispatch_relay.presence`, `dispatch_relay.verdict`); everything around them is as
small as can be, and each part may crash, freeze, lose what it had not stored, and read late what lies in a buffer.
Whoever drives it (a stateful property test) says what happens next; nothing here has time or chance.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dispatch_relay import presence, verdict
from dispatch_relay.presence import Presence
from dispatch_relay.verdict import Effect, Status

Frame = tuple[str, str, int]
"""What (post, handover, take, decline, deliver, receipt, refusal, withdrawn), which message, which row (0: none)."""


@dataclass
class Line:
    """One stream. Each end closes for itself: what was written before still lies in the other end's buffer."""

    up: deque[Frame] = field(default_factory=deque)
    down: deque[Frame] = field(default_factory=deque)
    device_open: bool = True
    relay_open: bool = True
    cursor: int = 0  # the last row that the relay wrote on this line


@dataclass
class Row:
    message: str
    accepted: bool


@dataclass
class Relay:
    # Stored: survives a crash.
    rows: list[Row] = field(default_factory=list)
    status: dict[str, Status] = field(default_factory=dict)
    host: Presence = field(default_factory=Presence)
    # Memory.
    phone_line: Line | None = None
    host_line: Line | None = None
    overdue: set[str] = field(default_factory=set)
    held: list[tuple[str, Line]] = field(default_factory=list)  # handed over, and written with what comes next

    def receive(self, line: Line, frame: Frame) -> None:
        what, message, _ = frame
        if what == "post":
            event = verdict.on_post(self.host)
            if event is verdict.Event.POSTED and self.host_line is not None:
                self.host_line.down.append(("handover", message, 0))
                self.held.append((message, line))
            else:
                self.decide(message, event, line=line)
        elif what == "take":
            late = message in self.overdue
            self.decide(message, verdict.on_take(now_ms=1 if late else 0, deadline_ms=1), line=line)
        elif what == "decline":
            self.decide(message, verdict.Event.DECLINED, line=line)

    def write_held(self) -> None:
        held, self.held = self.held, []
        for message, line in held:
            self._decide(message, verdict.Event.POSTED, line=line)

    def fail_to_write(self) -> None:
        """Nothing has happened; each phone hears that its post is welcome later, which is no answer."""
        self.held = []

    def decide(self, message: str, event: verdict.Event, *, line: Line | None = None) -> None:
        self.write_held()  # the store has one line
        self._decide(message, event, line=line)

    def _decide(self, message: str, event: verdict.Event, *, line: Line | None) -> None:
        step = verdict.STEPS[self.status.get(message, Status.UNKNOWN), event]
        self.status[message] = step.status
        if step.effect in {Effect.ACCEPT, Effect.REFUSE}:
            self.rows.append(Row(message, step.effect is Effect.ACCEPT))
        elif step.effect in {Effect.PEND, Effect.HAND_OVER_AGAIN}:
            if self.host_line is not None:  # once more than the relay does, which tells no stream twice
                self.host_line.down.append(("handover", message, 0))
        elif step.effect is Effect.ANSWER_AGAIN and line is not None:
            seq = next(n for n, row in enumerate(self.rows, 1) if row.message == message)
            if seq <= line.cursor:  # else the cursor brings it
                line.down.append(("receipt" if self.rows[seq - 1].accepted else "refusal", message, seq))
        elif step.effect is Effect.WITHDRAW and line is not None:
            line.down.append(("withdrawn", message, 0))

    def write(self, line: Line) -> bool:
        """Let the cursor of a line go one row on."""
        if not line.relay_open or line.cursor >= len(self.rows):
            return False
        line.cursor += 1
        row = self.rows[line.cursor - 1]
        if line is self.phone_line:
            line.down.append(("receipt" if row.accepted else "refusal", row.message, line.cursor))
        else:
            line.down.append(("deliver" if row.accepted else "withdrawn", row.message, line.cursor))
        return True

    def pending(self) -> list[str]:
        return [message for message, status in self.status.items() if status is Status.PENDING]

    def meet(self, event: presence.Event) -> None:
        self.host = presence.after(self.host, event, now_ms=0)
        self.write_held()
        if self.host.absent:
            for message in self.pending():
                self.decide(message, verdict.Event.GIVEN_UP)

    def attach_host(self, line: Line, resume_after: int) -> None:
        if self.host_line is not None:
            self.host_line.relay_open = False
        self.host_line, line.cursor = line, resume_after
        self.meet(presence.Event.ATTACHED)
        for message in self.pending():
            line.down.append(("handover", message, 0))

    def attach_phone(self, line: Line, resume_after: int) -> set[str]:
        """Open a stream; gives what the phone knows of then: rows, and what its opening says to wait."""
        if self.phone_line is not None:
            self.phone_line.relay_open = False
        self.phone_line, line.cursor = line, resume_after
        return {row.message for row in self.rows} | {*self.pending()} | {message for message, _ in self.held}

    def lose_host(self, event: presence.Event) -> None:
        if self.host_line is not None:
            self.host_line.relay_open = False
            self.host_line = None
            self.meet(event)

    def crash(self) -> None:
        for line in (self.phone_line, self.host_line):
            if line is not None:
                line.relay_open = False
        self.phone_line = self.host_line = None
        self.held = []
        self.meet(presence.Event.RELAY_STARTED)


@dataclass
class Host:
    # Stored.
    journal: dict[str, str] = field(default_factory=dict)  # taken, started, over
    resume_after: int = 0
    # Memory of one process: without it a permission comes too late to be used.
    taken_by_this_process: set[str] = field(default_factory=set)
    line: Line | None = None
    # The world's own books.
    runs: dict[str, int] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)

    def receive(self, frame: Frame, *, willing: bool) -> None:
        assert self.line is not None
        what, message, seq = frame
        if what == "handover":
            if message not in self.journal and not willing:
                self.line.up.append(("decline", message, 0))
                return
            self.journal.setdefault(message, "taken")
            if self.journal[message] == "taken":
                self.taken_by_this_process.add(message)
                self.line.up.append(("take", message, 0))
        elif what == "deliver" and self.journal.get(message) == "taken":
            if message in self.taken_by_this_process:
                self.runs[message] = self.runs.get(message, 0) + 1
                self.journal[message] = "started"
            else:
                self.journal[message] = "over"
        elif what == "withdrawn":
            self.withdrawn.add(message)
            if self.journal.get(message) == "taken":
                self.journal[message] = "over"
        if seq:
            self.seen.append(seq)
            self.resume_after = max(self.resume_after, seq)

    def crash(self) -> None:
        if self.line is not None:
            self.line.device_open = False
        self.line = None
        self.taken_by_this_process = set()
        self.journal = {m: "over" if state == "started" else state for m, state in self.journal.items()}


@dataclass
class Phone:
    # Stored: its outbox, and what it was told.
    outbox: list[str] = field(default_factory=list)
    answers: dict[str, set[str]] = field(default_factory=dict)
    resume_after: int = 0
    line: Line | None = None
    seen: list[int] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)  # for never stored: neither a row nor among those that wait

    def post(self, message: str) -> None:
        self.given_up.discard(message)
        if message not in self.outbox:
            self.outbox.append(message)
        if self.line is not None:
            self.line.up.append(("post", message, 0))

    def receive(self, frame: Frame) -> None:
        what, message, seq = frame
        if what in {"receipt", "refusal"}:
            self.answers.setdefault(message, set()).add(f"{what} {seq}")
        if seq > self.resume_after:
            self.seen.append(seq)
            self.resume_after = seq
