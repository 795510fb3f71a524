"""Ratios of two subjects: of figures of the same round, and their median. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.costs.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How a subject stands to another, over all rounds in which both have the figure."""

    measurement: str
    figure: str
    subject: str
    against: str
    median: float
    least: float
    greatest: float
    rounds: int


def ratio(figures: Sequence[Figure], *, measurement: str, figure: str, subject: str, against: str) -> Ratio | None:
    """Make a ratio; None when there is no round in which both have the figure, and the other one is not 0.

    The ratio of the medians would not do: when the computer is busy for one round, both of its figures are off, and their ratio
    hardly is.
    """
    of: dict[str, dict[int, float]] = {subject: {}, against: {}}
    for one in figures:
        value = one.of(figure)
        if one.measurement == measurement and one.subject in of and value is not None:
            of[one.subject][one.round] = value
    others = of[against]
    found = [value / others[number] for number, value in of[subject].items() if others.get(number)]
    if not found:
        return None
    return Ratio(
        measurement=measurement,
        figure=figure,
        subject=subject,
        against=against,
        median=statistics.median(found),
        least=min(found),
        greatest=max(found),
        rounds=len(found),
    )


def median(figures: Sequence[Figure], *, measurement: str, figure: str, subject: str) -> float | None:
    """Give the median of all rounds; None when no round has the figure."""
    values = [
        value
        for one in figures
        if (one.measurement, one.subject) == (measurement, subject) and (value := one.of(figure)) is not None
    ]
    return statistics.median(values) if values else None
