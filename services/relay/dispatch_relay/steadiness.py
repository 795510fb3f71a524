"""How often a host was lost of late, and what its phone and its person are then told less often. Pure: times are arguments.

A host on a bad line drops and returns many times a minute. Each of these is true, and none of them is worth a notification.
Called by `watch`; docs/protocol.md "Unsteady".
"""

from __future__ import annotations

from dispatch.ids import Instance

from dispatch_relay.presence import Presence, Standing

LOSSES = 3
WINDOW_MS = 60_000


class Steadiness:
    """One host's. Times are ms on the relay's steady clock."""

    __slots__ = ("_lost_ms", "_told", "_told_ms", "call_due_ms", "owed_ms", "told_unsteady")

    def __init__(self) -> None:
        self._lost_ms: list[int] = []  # the last few
        self._told: tuple[Standing, Instance] | None = None
        self._told_ms: int | None = None
        self.told_unsteady = False
        """Whether the phone knows it as unsteady."""
        self.owed_ms: int | None = None
        """When the phone is told what it was not told at once."""
        self.call_due_ms: int | None = None
        """When the person is called because of a loss that was not called out at once."""

    def lost(self, *, now_ms: int) -> None:
        """The host was there, and is not."""
        self._lost_ms = [*self._lost_ms, now_ms][-LOSSES:]

    def forget_old(self, *, now_ms: int) -> None:
        """Forget the losses that count no longer."""
        if self._lost_ms:
            self._lost_ms = [lost_ms for lost_ms in self._lost_ms if now_ms - lost_ms < WINDOW_MS]

    def unsteady(self, *, now_ms: int) -> bool:
        """Say whether it was lost too often within the window."""
        return len(self._lost_ms) == LOSSES and now_ms - self._lost_ms[0] < WINDOW_MS

    def may_tell(self, presence: Presence, *, now_ms: int, every_ms: int) -> bool:
        """Say whether the phone is told now; else it is owed the word.

        That the host is there is never held back, unless the phone has not heard of anything else.
        """
        soonest_ms = now_ms if self._told_ms is None else self._told_ms + every_ms
        if not self.unsteady(now_ms=now_ms) or soonest_ms <= now_ms:
            return True
        there, known = presence.standing is Standing.REACHABLE, _news(presence) == self._told
        if there and not known:
            return True
        if not known or not self.told_unsteady:
            self.owed_ms = soonest_ms
        return False

    def told(self, presence: Presence, *, now_ms: int) -> None:
        """The phone has been told how the host is."""
        self._told, self._told_ms, self.owed_ms = _news(presence), now_ms, None
        self.told_unsteady = self.unsteady(now_ms=now_ms)

    def may_call(self, *, now_ms: int) -> bool:
        """Say whether the person is called now that tasks are out of contact; else that is due if it lasts."""
        if self.unsteady(now_ms=now_ms):
            self.call_due_ms = now_ms + WINDOW_MS
            return False
        return True

    def back(self) -> None:
        """It is there again: nobody needs to be called."""
        self.call_due_ms = None

    def due_ms(self) -> list[int]:
        """Say when there is something to tell or to forget. Until then its room must not be: it would forget all of it."""
        forget_ms = self._lost_ms[0] + WINDOW_MS if self._lost_ms else None
        return [at_ms for at_ms in (self.owed_ms, self.call_due_ms, forget_ms) if at_ms is not None]


def _news(presence: Presence) -> tuple[Standing, Instance]:
    return presence.standing, presence.instance
