"""How the host is, as far as this phone can know. Pure: times are ms on the phone's steady clock unless they are called wall.

Two may tell: the relay, whose word is an age and not a moment, so no two clocks are compared; and the host itself, under the seal.
What is open to the host directly is not known here. Called by the sides of a `line`; docs/phone.md "How the host is".
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Presence, Reachability


@dataclass(slots=True)
class Sight:
    """What a line saw last of its host."""

    presence: Presence | None = None
    """The relay's last word on this stream; None while it has said nothing."""
    times_told: int = 0
    """How often the relay has said how the host is."""
    no_path_since_ms: int | None = None
    """When the last path was lost; None while there is one, and once the loss was told."""
    _heard_ms: int | None = None

    def told(self, presence: Presence, *, now_ms: int) -> None:
        """Take the relay's word."""
        self.presence = presence
        self.times_told += 1
        at_ms = now_ms - presence.lease_age_ms
        self._heard_ms = at_ms if self._heard_ms is None else max(self._heard_ms, at_ms)

    def heard(self, *, now_ms: int) -> None:
        """Take a word of the host itself."""
        self._heard_ms = now_ms

    def answered(self, word: int, *, wall_ms: int) -> Presence | None:
        """Take an answer of the host to what was sent when the relay had said so often how it is; gives the word that follows.

        An answer to what went out behind the last word outranks it: the host is there, and is not shown as away. Whatever
        else comes may have been on its way when the host left, for words of presence overtake rows and live frames.
        """
        if self.presence is None or word != self.times_told or not self.absent:
            return None
        return Presence(
            state=Reachability.REACHABILITY_REACHABLE,
            since_ms=wall_ms,
            last_heard_ms=wall_ms,
            instance=self.presence.instance,
        )

    def relay_lost(self) -> None:
        """Hear that the relay's stream is gone, and what it said with it."""
        self.presence = None

    @property
    def reachable(self) -> bool:
        """Whether the relay says that the host is there."""
        return self._is(Reachability.REACHABILITY_REACHABLE)

    @property
    def absent(self) -> bool:
        """Whether the relay says that the host is away, or not quite there."""
        return self.presence is not None and not self.reachable

    @property
    def gone(self) -> bool:
        """Whether the relay says that the host is away."""
        return self._is(Reachability.REACHABILITY_ABSENT)

    @property
    def cause(self) -> Reason.ValueType:
        """Why the host is away; where the relay gives no cause of the list it is "unreachable"."""
        if self.presence is None or not issubclass(errors.kind_of(self.presence.cause), errors.HostAbsent):
            return Reason.REASON_HOST_UNREACHABLE
        return self.presence.cause

    @property
    def unsteady(self) -> bool:
        """Whether the host comes and goes."""
        return self.presence is not None and self.presence.unsteady

    def age_ms(self, now_ms: int) -> int | None:
        """Give how long ago the host was heard, by the relay or by this phone; None when nothing is known."""
        return None if self._heard_ms is None else max(0, now_ms - self._heard_ms)

    def _is(self, state: Reachability.ValueType) -> bool:
        return self.presence is not None and self.presence.state == state
