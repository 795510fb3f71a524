"""Has a relay alone hold pairs at a rate, as `bench.pairs` does: a figure for targets. Called by `bench.__main__`."""

from __future__ import annotations

from bench.costs.figure import Figure
from bench.costs.measurements import held
from bench.figures import Figures
from bench.pairs import measure
from bench.plan import Plan
from bench.subjects.subject import Lost

RATE = 5.0
"""Round trips a second and pair: ten messages."""


async def hold(pairs: int, *, seconds: float, seed: int) -> Figure:
    """Hold so many pairs for so long. Raises Lost when a pair was lost, and LoadFailed."""
    figures = await measure(Plan(pairs=pairs, rate=RATE, seconds=seconds, seed=seed))
    if figures.pairs_held < pairs:
        raise Lost(f"{held(pairs)}: {figures.pairs_held} pairs were held to the end")
    return figure_of(figures)


def figure_of(figures: Figures) -> Figure:
    """Make one figure of what the relay was measured by. Load is in processes of its own there, and not counted.

    A relay that leaves commands without an answer does not keep up: its p99 is the whole time.
    """
    p50, p99 = figures.keep_ms
    if figures.answered < figures.commands:
        p99 = figures.plan.seconds * 1_000
    return Figure(
        measurement=held(figures.plan.pairs),
        subject="relay",
        round=1,
        round_trips=figures.answered,
        seconds=figures.plan.seconds,
        round_trips_per_second=figures.answered / figures.plan.seconds,
        p50_us=None if p50 is None else p50 * 1_000,
        p99_us=None if p99 is None else p99 * 1_000,
        cpu_us_per_message=figures.relay_cpu_us_per_message,
        load_cpu_percent=None,
        resident_mib=figures.relays[0].resident_mib,
    )
