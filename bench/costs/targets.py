"""What must hold and what we aim at, and how a run stands to it. Pure; docs/benchmarks.md has the same table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bench.costs.figure import Figure
from bench.costs.measurements import CROWD, HUNDRED, ONE_PAIR, held
from bench.costs.ratios import median, ratio
from bench.trials.trial import Reading

AT_REST = "at-rest"
"""Not a load: what a server has of memory before anybody came."""


class Verdict(Enum):
    """How a figure stands to its target."""

    AIM = "aim"
    PASS = "pass"  # noqa: S105 -- a verdict, not a password
    MISSED = "aim missed"
    """Of what has nothing that it must."""
    SHORTFALL = "shortfall"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row."""

    what: str
    measurement: str
    """Or, without a subject, a trial."""
    figure: str
    subject: str = "relay"
    against: str = ""
    """Another subject: the target is of the ratio. Empty: of the figure's median itself."""
    must: float | None = None
    aim: float | None = None
    at_least: bool = False
    """Whether more is better."""
    per: float = 1.0
    """Of a figure's unit in one of the target's: 1000 for ms of µs."""


def _of_trial(what: str, trial: str, figure: str, *, must: float, aim: float | None, at_least: bool = False) -> Target:
    """Make the target of a trial's reading."""
    return Target(what=what, measurement=trial, figure=figure, subject="", must=must, aim=aim, at_least=at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A target and what the run says."""

    target: Target
    value: float | None
    verdict: Verdict
    why: str = ""
    """Why it was not measured, or where."""

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {
            "what": self.target.what,
            "must": self.target.must,
            "aim": self.target.aim,
            "value": self.value,
            "verdict": self.verdict.value,
            "why": self.why,
            "at_least": self.target.at_least,
        }


TARGETS = (
    Target(
        what="p50, one pair, against bare", measurement=ONE_PAIR, figure="p50_us", against="bare", must=1.8, aim=1.3
    ),
    Target(
        what="round trips/s, 50 pairs x 4, against bare",
        measurement=CROWD,
        figure="round_trips_per_second",
        against="bare",
        must=0.75,
        aim=1.0,
        at_least=True,
    ),
    Target(
        what="CPU a message, 100 pairs, against socket-io",
        measurement=HUNDRED,
        figure="cpu_us_per_message",
        against="socket-io",
        must=1.0,
        aim=0.6,
    ),
    Target(
        what="CPU a message, 100 pairs, against jetstream",
        measurement=HUNDRED,
        figure="cpu_us_per_message",
        against="jetstream",
        must=1.5,
        aim=1.0,
    ),
    Target(what="p99 ms, 500 pairs held", measurement=held(500), figure="p99_us", must=50, aim=50, per=1_000),
    Target(what="p99 ms, 1000 pairs held", measurement=held(1000), figure="p99_us", aim=50, per=1_000),
    Target(what="MiB at rest", measurement=AT_REST, figure="resident_mib", must=80, aim=60),
    _of_trial("ms to the first byte of dispatch-phone send", "start-up", "phone_first_byte_ms", must=400, aim=200),
    _of_trial("p99 ms, refusal for an absent host", "refusal", "refused_p99_ms", must=20, aim=5),
    _of_trial("leases until a dead host is known", "presence", "dead_most_leases", must=2, aim=1.2),
    _of_trial("p99 ms, revocation to the stream's end", "revocation", "ended_p99_ms", must=1_000, aim=50),
    _of_trial(
        "rows/s of a resume, against one by one",
        "resume",
        "batched_against_one_by_one_ratio",
        must=10,
        aim=20,
        at_least=True,
    ),
    _of_trial(
        "MiB/s of a file, against bare", "file-transfer", "file_against_bare_ratio", must=0.5, aim=0.8, at_least=True
    ),
    _of_trial("p99 ms a file adds to a task message", "file-transfer", "message_added_p99_ms", must=100, aim=20),
    _of_trial("time of a CSV summary, against duckdb", "summary", "time_ratio", must=4, aim=1.5),
    _of_trial("memory of a CSV summary, against duckdb", "summary", "memory_ratio", must=1, aim=None),
)


def judge(target: Target, figures: Sequence[Figure], readings: Sequence[Reading] = ()) -> Judged:
    """Hold a run against a target."""
    value = _value(target, figures) if target.subject else _read(target, readings)
    if value is None:
        return Judged(target=target, value=None, verdict=Verdict.NOT_MEASURED, why=_why(target, figures))

    return Judged(target=target, value=value, verdict=verdict(target, value))


def verdict(target: Target, value: float) -> Verdict:
    """Say how a value stands to a target."""

    def reached(bound: float | None) -> bool:
        return bound is not None and (value >= bound if target.at_least else value <= bound)

    if reached(target.aim):
        return Verdict.AIM
    if target.must is None:
        return Verdict.MISSED
    return Verdict.PASS if reached(target.must) else Verdict.SHORTFALL


def _read(target: Target, readings: Sequence[Reading]) -> float | None:
    wanted = target.measurement, target.figure
    return next((one.value for one in readings if (one.trial, one.figure) == wanted), None)


def _value(target: Target, figures: Sequence[Figure]) -> float | None:
    if target.against:
        found = ratio(
            figures,
            measurement=target.measurement,
            figure=target.figure,
            subject=target.subject,
            against=target.against,
        )
        return None if found is None else found.median
    absolute = median(figures, measurement=target.measurement, figure=target.figure, subject=target.subject)
    return None if absolute is None else absolute / target.per


def _why(target: Target, figures: Sequence[Figure]) -> str:
    if not target.subject:
        return f"{target.measurement} did not run"
    there = {one.subject for one in figures if one.measurement == target.measurement}
    lacking = [name for name in (target.subject, target.against) if name and name not in there]
    return f"{' and '.join(lacking)} did not run {target.measurement}" if lacking else "no round has both figures"
