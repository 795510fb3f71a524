"""What a message costs with twice as many pairs, and twice as many again, by `bench.pairs`. Called by `bench.growth.__main__`."""

from __future__ import annotations

from collections.abc import Callable

from bench.figures import Figures
from bench.growth.figures import PairsFigure
from bench.growth.plan import GrowthPlan
from bench.pairs import LoadFailed
from bench.pairs import measure as hold
from bench.plan import Plan


async def measure(plan: GrowthPlan, *, say: Callable[[str], None]) -> tuple[PairsFigure, ...]:
    """Run each number of pairs on a relay of its own. Raises LoadFailed."""
    figures = []
    for pairs in plan.pairs:
        run = Plan(
            pairs=pairs,
            in_flight=1,
            seconds=plan.pair_seconds,
            idle_seconds=1.0,
            sealed_bytes=plan.sealed_bytes,
            seed=plan.seed,
        )
        figures.append(figure(await hold(run)))
        say(f"pairs: {figures[-1]}")
    return tuple(figures)


def figure(run: Figures) -> PairsFigure:
    """Make a figure of a run. Pure. Raises LoadFailed for one in which nothing was answered."""
    p50, p99 = run.keep_ms
    if p50 is None or p99 is None:
        raise LoadFailed(f"{run.plan.pairs} pairs: no command was answered")
    return PairsFigure(
        pairs=run.plan.pairs,
        round_trips_per_second=run.answered / run.plan.seconds,
        cpu_us_per_message=run.relay_cpu_us_per_message,
        p50_ms=p50,
        p99_ms=p99,
        unanswered=run.unanswered,
    )
