"""What must hold as things grow, and how a run stands to it. Pure; docs/growth.md has the table, written by `page`."""

from __future__ import annotations

from bench.costs.targets import Judged, Target, Verdict, verdict
from bench.growth import fits
from bench.growth.figures import Growth

STREAMS = 10_000
ROWS = 1_000_000
LAST = "by the last make bench-growth"
"""Where it was measured, in a run of `make bench`: that would take a quarter of an hour more."""


def judged(growth: Growth) -> list[Judged]:
    """Hold a run against its targets. A smaller run than they speak of measures none."""
    idle = next((one for one in growth.idle if one.streams == STREAMS), None)
    shared = next((one for one in growth.shared if one.streams == STREAMS), None)
    longest = next((one for one in fits.by_length(growth) if one.rows == ROWS), None)
    return [
        _judged(
            f"KiB a silent host, {STREAMS:,} connections",
            None if idle is None else idle.kib_per_stream,
            must=45,
            aim=36,
        ),
        _judged(
            f"KiB a silent host, {STREAMS:,}, few connections",
            None if shared is None else shared.kib_per_stream,
            must=45,
            aim=36,
        ),
        _judged(f"% of a core, {STREAMS:,} silent hosts", None if idle is None else idle.cpu_percent, must=10, aim=4),
        _judged(
            f"CPU a message, {ROWS:,} rows, against 10", None if longest is None else longest.cpu, must=1.2, aim=1.0
        ),
    ]


def _judged(what: str, value: float | None, *, must: float, aim: float) -> Judged:
    target = Target(what=what, measurement="growth", figure="", subject="", must=must, aim=aim)
    how = Verdict.NOT_MEASURED if value is None else verdict(target, value)
    return Judged(target=target, value=value, verdict=how, why=LAST)
