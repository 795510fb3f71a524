"""All that a run of `python -m bench` found, and its JSON, as docs/benchmarks.md describes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.costs.figure import FIGURES, Figure
from bench.costs.measurements import CostPlan
from bench.costs.ratios import Ratio, ratio
from bench.costs.targets import AT_REST, TARGETS, Judged, Verdict, judge
from bench.trials.trial import Reading

SCHEMA = 1
BARE = "bare"
"""What all ratios of a run but those of targets are against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Whether a subject or a trial ran."""

    name: str
    about: str
    begun: bool = True
    why: str = ""
    """Why it did not begin, or what ended it; empty when it went through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run."""

    computer: Mapping[str, Any]
    plan: CostPlan
    subjects: Sequence[Ran]
    figures: Sequence[Figure]
    measurements: Sequence[str] = field(default=())
    """Names of those that were asked for, in order."""
    trials: Sequence[Ran] = field(default=())
    readings: Sequence[Reading] = field(default=())
    of_growth: Sequence[Judged] = field(default=())
    """Targets of another run, which this one only shows."""

    def ratios(self) -> list[Ratio]:
        """Give every figure of every subject against bare."""
        names = [one.name for one in self.subjects if one.name != BARE]
        made = (
            ratio(self.figures, measurement=measurement, figure=figure, subject=name, against=BARE)
            for measurement in self.measurements
            for name in names
            for figure in FIGURES
        )
        return [one for one in made if one is not None]

    def judged(self) -> list[Judged]:
        """Hold the run against every target."""
        return [judge(target, self.figures, self.readings) for target in TARGETS]

    @property
    def short(self) -> bool:
        """Whether a target was missed, or a subject or a trial failed that had begun."""
        missed = any(one.verdict is Verdict.SHORTFALL for one in self.judged())
        return missed or any(one.begun and one.why for one in (*self.subjects, *self.trials))

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        at_rest = {one.subject: one.resident_mib for one in self.figures if one.measurement == AT_REST}
        return {
            "schema": SCHEMA,
            "computer": dict(self.computer),
            "plan": {"rounds": self.plan.rounds, "seconds": self.plan.seconds, "seed": self.plan.seed},
            "subjects": {one.name: {**_fared(one), "at_rest_mib": at_rest.get(one.name)} for one in self.subjects},
            "figures": [one.told() for one in self.figures if one.measurement != AT_REST],
            "ratios": [asdict(one) for one in self.ratios()],
            "trials": {one.name: _fared(one) for one in self.trials},
            "readings": [asdict(one) for one in self.readings],
            "targets": [one.told() for one in (*self.judged(), *self.of_growth)],
        }


def _fared(one: Ran) -> dict[str, Any]:
    return {"about": one.about, "ran": one.begun and not one.why, "why": one.why}
