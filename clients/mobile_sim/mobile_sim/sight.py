"""How long ago the host was heard, as far as this phone can know. Pure: times are ms on the phone's steady clock.

The relay's word is an age, not a moment, so no two clocks are compared; what the host itself says under the seal counts as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Sight:
    """What a line saw last of its host."""

    times_told: int = 0
    """How often the relay has said how the host is."""
    _heard_ms: int | None = None

    def told(self, *, lease_age_ms: int, now_ms: int) -> None:
        """Take the relay's word: so long ago it heard the host."""
        self.times_told += 1
        at_ms = now_ms - lease_age_ms
        self._heard_ms = at_ms if self._heard_ms is None else max(self._heard_ms, at_ms)

    def heard(self, *, now_ms: int) -> None:
        """Take a word of the host itself."""
        self._heard_ms = now_ms

    def age_ms(self, now_ms: int) -> int | None:
        """Give how long ago it was; None when nothing is known."""
        return None if self._heard_ms is None else max(0, now_ms - self._heard_ms)
