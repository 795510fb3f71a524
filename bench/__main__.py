"""What the relay costs beside other things that carry messages, and what trials find: docs/benchmarks.md says how.

`python -m bench --quick` prints tables and targets. Gives 1 when a target was missed, or a subject or a trial failed that had
begun, 2 for what makes no sense, 130 when it was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# Before anything imports grpc: it sets what grpc reads then.
import dispatch  # noqa: F401
import uvloop

from bench.costs.computer import computer
from bench.costs.holding import hold
from bench.costs.measurements import FULL, MEASUREMENTS, QUICK, CostPlan, Measurement, held
from bench.costs.report import report
from bench.costs.result import Ran, Result
from bench.costs.rounds import Rounds
from bench.costs.targets import Judged
from bench.growth.figures import Growth
from bench.growth.targets import judged
from bench.pairs import LoadFailed
from bench.subjects.listing import SUBJECTS
from bench.subjects.subject import Lost
from bench.trials.listing import TRIALS
from bench.trials.running import carried_out
from bench.trials.trial import FULL_TRIALS, QUICK_TRIALS, Trial, TrialPlan

STOPPED = 130
"""The exit code of what was stopped by a signal."""
HOLDER = "relay"
"""Who holds pairs alone."""
GROWN = Path(__file__).resolve().parents[1] / "docs" / "growth" / "figures.json"
"""What `make bench-growth` measured last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asks for."""

    plan: CostPlan
    subjects: Sequence[str]
    measurements: Sequence[Measurement]
    trials: Sequence[Trial] = ()
    trial_plan: TrialPlan = QUICK_TRIALS
    into: Path | None = None


def read(words: Sequence[str]) -> Order:
    """Read the command line. Exits with 2 on what makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Hold the relay against other things that carry messages."
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="a few short rounds (what is done without an option)")
    length.add_argument(
        "--full", action="store_true", help="many long rounds, and a relay that holds hundreds of pairs"
    )
    by_measurement = {one.name: one for one in MEASUREMENTS}
    names = [*SUBJECTS, *by_measurement, *(held(pairs) for pairs in FULL.held), *TRIALS]
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=names,
        metavar="NAME",
        help=f"this subject, this measurement or this trial; may stand several times: {', '.join(names)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures into a file")
    parser.add_argument("--rounds", type=int, help=f"how often each has its turn ({QUICK.rounds}, {FULL.rounds})")
    parser.add_argument("--seconds", type=float, help=f"of one turn ({QUICK.seconds:g}, {FULL.seconds:g})")
    said = parser.parse_args(words)
    plan = FULL if said.full else QUICK
    changed = {name: value for name in ("rounds", "seconds") if (value := getattr(said, name)) is not None}
    plan = replace(plan, **changed)
    if plan.rounds < 1 or plan.seconds <= 0:
        parser.error("one round, and some time, at least")
    subjects = [name for name in SUBJECTS if name in said.only] or list(SUBJECTS)
    several = [name for name in said.only if name not in SUBJECTS]
    chosen = [by_measurement[name] for name in by_measurement if not several or name in several]
    holding = tuple(pairs for pairs in FULL.held if held(pairs) in several or (pairs in plan.held and not several))
    if HOLDER not in subjects:
        holding = ()
    if not chosen:
        subjects = [HOLDER] if holding else []
    return Order(
        plan=replace(plan, held=holding),
        subjects=subjects,
        measurements=chosen,
        trials=[TRIALS[name] for name in TRIALS if not said.only or name in said.only],
        trial_plan=FULL_TRIALS if said.full else QUICK_TRIALS,
        into=said.json,
    )


async def carry_out(order: Order) -> Result:
    """Measure everything. Raises ValueError for figures of growth that can't be read."""
    of_growth = grown(GROWN)
    about = computer()
    rounds = Rounds([SUBJECTS[name]() for name in order.subjects], order.plan, say=_say)
    ran = await rounds.run(order.measurements)
    names = [one.name for one in order.measurements]
    for pairs in order.plan.held:
        _say(held(pairs))
        try:
            rounds.figures.append(await hold(pairs, seconds=order.plan.held_seconds, seed=order.plan.seed))
            names.append(held(pairs))
        except (Lost, LoadFailed) as failure:
            ran = [_failed(one, str(failure)) for one in ran]
    readings, tried = await carried_out(order.trials, order.trial_plan, say=_say)
    return Result(
        computer=about,
        plan=order.plan,
        subjects=ran,
        figures=rounds.figures,
        measurements=names,
        trials=tried,
        readings=readings,
        of_growth=of_growth,
    )


async def _until_stopped(order: Order) -> Result:
    """Measure; SIGTERM ends it as Ctrl-C does, so that no server is left running."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await carry_out(order)


def grown(figures: Path) -> Sequence[Judged]:
    """Give what `make bench-growth` measured last: targets of which none was measured where it never ran. Raises ValueError."""
    return judged(Growth.read(json.loads(figures.read_text())) if figures.exists() else Growth())


def _failed(ran: Ran, why: str) -> Ran:
    return replace(ran, why=ran.why or why) if ran.name == HOLDER else ran


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    """Measure, print, write."""
    order = read(words)
    try:
        result = uvloop.run(_until_stopped(order))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return STOPPED
    print(report(result))
    if order.into is not None:
        order.into.parent.mkdir(parents=True, exist_ok=True)
        order.into.write_text(json.dumps(result.told(), indent=2) + "\n")
    return 1 if result.short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
