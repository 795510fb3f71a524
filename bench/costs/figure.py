"""One subject in one round of one measurement: what was counted, and the figures made of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Used

MESSAGES = 2
"""That a server forwards in one round trip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a loop has counted."""

    took: Sequence[float]
    """How long each round trip took, s, that was over within the time."""
    seconds: float
    """For how long the loop ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What came out. None where nothing was carried."""

    measurement: str
    subject: str
    round: int
    round_trips: int
    seconds: float
    round_trips_per_second: float
    p50_us: float | None
    p99_us: float | None
    cpu_us_per_message: float | None
    load_cpu_percent: float | None
    """Of a core, that the ends took. Near 100 they are what limits round trips a second, and not the server."""
    resident_mib: float

    def of(self, name: str) -> float | None:
        """Give the figure of that name, one of FIGURES."""
        value: float | None = getattr(self, name)
        return value

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {name: getattr(self, name) for name in Figure.__slots__}


FIGURES = ("round_trips_per_second", "p50_us", "p99_us", "cpu_us_per_message", "load_cpu_percent", "resident_mib")


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Give the value that so many percent stayed within, of values in order; None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def figure(
    *,
    measurement: str,
    subject: str,
    number: int,
    counted: Counted,
    before: Used,
    after: Used,
    load_cpu_seconds: float,
) -> Figure:
    """Make the figures of what a loop counted while the server's use went from `before` to `after`."""
    ordered = sorted(counted.took)
    p50, p99 = (percentile(ordered, percent) for percent in (50, 99))
    cpu_us = (after.cpu_seconds - before.cpu_seconds) * 1e6
    return Figure(
        measurement=measurement,
        subject=subject,
        round=number,
        round_trips=len(ordered),
        seconds=counted.seconds,
        round_trips_per_second=len(ordered) / counted.seconds,
        p50_us=None if p50 is None else p50 * 1e6,
        p99_us=None if p99 is None else p99 * 1e6,
        cpu_us_per_message=cpu_us / (MESSAGES * len(ordered)) if ordered else None,
        load_cpu_percent=100 * load_cpu_seconds / counted.seconds,
        resident_mib=after.resident_kib / 1024,
    )
