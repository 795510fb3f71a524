"""What must hold as things grow, and how a run stands to it. Pure; docs/growth.md has the table, written by `page`."""

from __future__ import annotations

from dataclasses import dataclass

from bench.costs.targets import Verdict
from bench.growth import fits
from bench.growth.figures import Growth

STREAMS = 10_000
ROWS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthTarget:
    """One row: the value, less of which is better, and how it stands."""

    what: str
    must: float
    aim: float
    value: float | None

    @property
    def verdict(self) -> Verdict:
        """Judge it."""
        if self.value is None:
            return Verdict.NOT_MEASURED
        if self.value <= self.aim:
            return Verdict.AIM
        return Verdict.PASS if self.value <= self.must else Verdict.SHORTFALL


def targets(growth: Growth) -> list[GrowthTarget]:
    """Hold a run against its targets. A smaller run than they speak of measures none."""
    idle = next((one for one in growth.idle if one.streams == STREAMS), None)
    shared = next((one for one in growth.shared if one.streams == STREAMS), None)
    longest = next((one for one in fits.by_length(growth) if one.rows == ROWS), None)
    return [
        GrowthTarget(
            what=f"KiB of a relay's memory for each of {STREAMS:,} silent hosts, each over its own connection",
            must=45,
            aim=36,
            value=None if idle is None else idle.kib_per_stream,
        ),
        GrowthTarget(
            what="the same for each stream, where they share a few connections",
            must=45,
            aim=36,
            value=None if shared is None else shared.kib_per_stream,
        ),
        GrowthTarget(
            what=f"% of a core for {STREAMS:,} silent hosts on the long lease",
            must=10,
            aim=4,
            value=None if idle is None else idle.cpu_percent,
        ),
        GrowthTarget(
            what=f"CPU a message in a thread of {ROWS:,} rows, against one of 10",
            must=1.2,
            aim=1.0,
            value=None if longest is None else longest.cpu,
        ),
    ]
