"""What a trial is, what it reads off, and in which plan: values that docs/benchmarks.md "Trials" repeats. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.costs.figure import percentile

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """How often each is done, and how large."""

    starts: int
    """Of each program."""
    refusals: int
    deaths: int
    """Of hosts, spread over the time in which the relay does not ask."""
    lease_ms: int
    presences: int
    revocations: int
    rows: int
    resumes: int
    """By each of the two relays, in turns."""
    transfers: int
    """Of each kind, in turns."""
    transfer_bytes: int
    messages: int
    """That are sent alone, for what a transfer adds to those beside it."""
    seals: int
    handshakes: int
    csv_bytes: int
    summaries: int
    """By each of the two programs, in turns."""


QUICK_TRIALS = TrialPlan(
    starts=5,
    refusals=500,
    deaths=20,
    lease_ms=1_000,
    presences=100,
    revocations=100,
    rows=10_000,
    resumes=3,
    transfers=3,
    transfer_bytes=128 * MIB,
    messages=300,
    seals=5_000,
    handshakes=100,
    csv_bytes=50_000_000,
    summaries=1,
)
FULL_TRIALS = TrialPlan(
    starts=15,
    refusals=5_000,
    deaths=50,
    lease_ms=1_000,
    presences=500,
    revocations=500,
    rows=10_000,
    resumes=7,
    transfers=3,
    transfer_bytes=1_024 * MIB,
    messages=1_000,
    seals=50_000,
    handshakes=1_000,
    csv_bytes=50_000_000,
    summaries=5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number of a trial. The unit is the last part of its figure's name."""

    trial: str
    figure: str
    value: float
    of: int
    """How many times it was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thing that is measured in its own way."""

    name: str
    about: str
    figures: Sequence[str]
    """All that it gives, in order."""
    run: Callable[[TrialPlan, Path], Awaitable[Sequence[Reading]]]
    """Measures, with a folder of its own. Raises Missing, Lost, OSError, DispatchError, or AssertionError of what did not come."""


def readings(trial: str, *, of: int, **values: float) -> list[Reading]:
    """Make the readings of what was measured so many times."""
    return [Reading(trial=trial, figure=figure, value=value, of=of) for figure, value in values.items()]


def spread(trial: str, figure: str, took: Sequence[float]) -> list[Reading]:
    """Make p50 and p99 of times in ms: `figure` p50 is FIGURE_p50_ms. Raises ValueError for none."""
    ordered = sorted(took)
    p50, p99 = (percentile(ordered, percent) for percent in (50, 99))
    if p50 is None or p99 is None:
        raise ValueError(f"{trial} has measured no {figure}")
    return readings(trial, of=len(took), **{f"{figure}_p50_ms": p50, f"{figure}_p99_ms": p99})


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Give the median ratio of what was measured in turns: when the computer is busy, their ratio hardly changes."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
