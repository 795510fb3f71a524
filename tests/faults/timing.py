"""Time to know: from a fault until the phone says so. At most two leases and a second, and when that can be judged. Pure.

A measurement counts when the laboratory itself hardly stood still meanwhile. What is late is measured once more: late twice
is a failure of the product; on a computer too busy to tell, it is said that nothing was judged. Called by `trial`, `report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_STILL_LEASES = 0.2
"""Whoever stood still for longer can't say that somebody else was late."""


class Knew(StrEnum):
    """What a measurement, or two, say of a cell."""

    NOTHING = "nothing to know"
    IN_TIME = "in time"
    LATE = "late"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One measurement; `seconds` is None when there was nothing to know."""

    seconds: float | None
    bound_seconds: float
    stood_still_seconds: float
    lease_ms: int

    @property
    def leases(self) -> float:
        """Give the time in leases."""
        return (self.seconds or 0.0) * 1000 / self.lease_ms

    @property
    def bound_leases(self) -> float:
        """Give the bound in leases."""
        return self.bound_seconds * 1000 / self.lease_ms

    @property
    def knew(self) -> Knew:
        """Judge it by itself."""
        if self.seconds is None:
            return Knew.NOTHING
        if self.seconds <= self.bound_seconds:
            return Knew.IN_TIME
        steady = self.stood_still_seconds * 1000 <= _STILL_LEASES * self.lease_ms
        return Knew.LATE if steady else Knew.NOT_JUDGED


def bound_seconds(lease_ms: int) -> float:
    """Give the bound: two leases and a second."""
    return 2 * lease_ms / 1000 + 1


def of_two(first: Knew, second: Knew) -> Knew:
    """Judge a cell that was measured again because it was not in time at first."""
    if second is Knew.LATE and first is not Knew.LATE:
        return Knew.NOT_JUDGED
    return second
