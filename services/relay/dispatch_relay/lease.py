"""When to ask a device whether it is still there, and when its lease is lost. Pure: time is an argument.

Any frame counts as an answer: a process that is frozen or cut off sends none. Called by `watch`.
"""

from __future__ import annotations

TOGETHER_MS = 100
"""Silent hosts whose time comes close together are asked together: waking up costs the relay more than asking."""

SOON_MS = 10_000
"""A person may wait for what is due sooner: it is done at its time."""


def together_ms(due_ms: int, *, now_ms: int) -> int:
    """Say when to do what is due: where that is far off a little later, at a moment that all pairings share."""
    return due_ms if due_ms - now_ms <= SOON_MS else -(-due_ms // TOGETHER_MS) * TOGETHER_MS


class Lease:
    """One stream's lease. Times are ms on the relay's steady clock."""

    __slots__ = ("asked_ms", "heard_ms", "number")

    def __init__(self, *, now_ms: int) -> None:
        self.heard_ms = now_ms
        self.asked_ms: int | None = None
        self.number = 0

    def heard(self, *, now_ms: int) -> None:
        """Note that a frame came."""
        self.heard_ms = now_ms
        self.asked_ms = None

    def ask(self, *, now_ms: int) -> int:
        """Note that a Ping goes out; gives its number."""
        self.asked_ms = now_ms
        self.number += 1
        return self.number

    def forgive(self) -> None:
        """Forget the question: whoever asked was away itself, and the answer may lie unread. It is asked again."""
        self.asked_ms = None

    def due_ms(self, *, every_ms: int, lease_ms: int) -> int:
        """Say when there is something to do: to ask, or to give up."""
        return self.heard_ms + every_ms if self.asked_ms is None else self.asked_ms + lease_ms

    def lost(self, *, now_ms: int, lease_ms: int) -> bool:
        """Say whether a question stayed without answer for a whole lease."""
        return self.asked_ms is not None and now_ms >= self.asked_ms + lease_ms

    def should_ask(self, *, now_ms: int, every_ms: int) -> bool:
        """Say whether a question is due."""
        return self.asked_ms is None and now_ms >= self.heard_ms + every_ms
