"""Which probe is on its way and what came back. Pure: told what happens and when. Called by `line`; docs/protocol.md "Probe"."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.api.thread.v1.thread_pb2 import ProbeReply
from dispatch.ids import ID_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host said of itself, and how long that took."""

    number: int
    round_trip_ms: int
    running_task_id: bytes
    """This phone's task that runs; empty for none."""
    busy: bool
    """Whether any task runs."""
    waiting_tasks: int


@dataclass(slots=True)
class Probing:
    """One probe at a time. An answer to any other is not believed: it says nothing of how long it took."""

    open: int | None = None
    """The number of the one that is on its way."""
    _asked_ms: int = 0
    _answer: Answer | None = None

    def ask(self, number: int, *, now_ms: int) -> None:
        """Note that a probe goes out."""
        self.open, self._asked_ms = number, now_ms

    def replied(self, reply: ProbeReply, *, now_ms: int) -> bool:
        """Take an answer; tells whether it is the one that is waited for."""
        if self.open is None or reply.number != self.open:
            return False
        self.open = None
        self._answer = Answer(
            number=reply.number,
            round_trip_ms=max(0, now_ms - self._asked_ms),
            running_task_id=reply.running_task_id if len(reply.running_task_id) == ID_BYTES else b"",
            busy=reply.busy,
            waiting_tasks=reply.waiting_tasks,
        )
        return True

    def answer(self, number: int) -> Answer | None:
        """Give the answer to this probe."""
        return self._answer if self._answer is not None and self._answer.number == number else None

    def give_up(self, number: int) -> None:
        """Wait for this one no longer: the next one has a number of its own."""
        if self.open == number:
            self.open = None
