"""What figures say together: the line through points, and how one series stands to another. Pure.

Called by `capacity`, `targets`, `page` and `curves`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.growth.figures import Growth


@dataclass(frozen=True, slots=True)
class Line:
    """What is there before anything comes, and what each adds."""

    start: float
    each: float


def line(points: Sequence[tuple[float, float]]) -> Line:
    """Fit a line, by least squares. Raises ValueError for fewer than two different places."""
    if len({x for x, _ in points}) < 2:
        raise ValueError("a line needs two different places")
    each, start = statistics.linear_regression([x for x, _ in points], [y for _, y in points])
    return Line(start=start, each=each)


def memory(growth: Growth) -> Line:
    """Give the relay's memory in KiB as a line over silent streams, the relay at rest being the first point."""
    at_rest = (0.0, growth.idle[0].at_rest_mib * 1024)
    return line([at_rest, *((float(one.streams), one.resident_mib * 1024) for one in growth.idle)])


def listing(growth: Growth) -> Line:
    """Give the ms of a list of devices as a line over the hosts of its account."""
    return line([(float(one.hosts), one.list_ms) for one in growth.hosts])


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthRatio:
    """A thread against the shortest one, turn by turn: what counts, since both turns met the same computer."""

    rows: int
    cpu: float
    """Median of the ratios of CPU for each message."""
    cpu_least: float
    cpu_greatest: float
    p50: float
    """Median of the ratios of medians."""


def by_length(growth: Growth) -> list[LengthRatio]:
    """Hold each length of thread against the shortest, in the same round."""
    lengths = sorted({one.rows for one in growth.thread})
    by = {(one.rows, one.round): one for one in growth.thread}
    ratios = []
    for rows in lengths:
        both = [(one, by[lengths[0], one.round]) for one in growth.thread if one.rows == rows]
        cpu = [long.cpu_us_per_message / short.cpu_us_per_message for long, short in both if short.cpu_us_per_message]
        ratios.append(
            LengthRatio(
                rows=rows,
                cpu=statistics.median(cpu),
                cpu_least=min(cpu),
                cpu_greatest=max(cpu),
                p50=statistics.median(long.p50_ms / short.p50_ms for long, short in both),
            )
        )
    return ratios


def bytes_per_row(growth: Growth) -> float:
    """Give what a row takes of a relay's file beside its seal, of the longest thread: with its indexes, and its part of a task."""
    longest = max(growth.thread, key=lambda one: one.rows)
    return longest.store_bytes / longest.rows
