"""What was counted, what it is held against, and what is said of the difference. Pure. Called by `__main__`.

docs/benchmarks.md "It stays as cheap" says how to read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum

TOLERANCE_PERCENT = 3.0
"""A count that is higher by more has failed. Counts of the same code differ by less: docs/benchmarks.md says by how much."""
CONTROL_PERCENT = 1.0
"""By how much the control may differ: it is none of our code, so more means that this computer counts otherwise."""

SCHEMA = 2
INSTRUCTIONS, CALLS = "instructions", "calls"
COUNTS = (INSTRUCTIONS, CALLS)

EVERYWHERE = ("python",)
"""The versions that decide how many calls there are, of those that `versions` names; the first two numbers of each."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What each work costs each time that it is done, by its name, and the versions of what it was counted with."""

    versions: Mapping[str, str]
    instructions: Mapping[str, int] = field(default_factory=dict)
    """Empty where nothing can count them."""
    calls: Mapping[str, float] = field(default_factory=dict)
    control: int = 0
    """Instructions of what uses the same libraries and is none of our code."""
    uncounted: str = ""
    """Why there are no instructions."""

    def of(self, what: str) -> Mapping[str, float]:
        """Give one of COUNTS."""
        return self.instructions if what == INSTRUCTIONS else self.calls

    def text(self) -> str:
        """Write it as the baseline file has it."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def read(cls, text: str) -> Counts:
        """Read what `text` wrote. Raises ValueError."""
        said = json.loads(text)
        if not isinstance(said, dict) or said.pop("schema", None) != SCHEMA:
            raise ValueError("not a baseline of this schema")
        try:
            return cls(**said)
        except TypeError as failure:
            raise ValueError(str(failure)) from failure


class Verdict(Enum):
    """What is said of one count."""

    SAME = "same"
    ROSE = "ROSE"  # a failure
    FELL = "fell"  # no failure; the baseline should be written anew
    NEW = "new"  # a failure: nothing holds it
    GONE = "gone"  # a failure: it is not counted any more


FAILURES = frozenset({Verdict.ROSE, Verdict.NEW, Verdict.GONE})


@dataclass(frozen=True, slots=True)
class Line:
    """One count beside its baseline. Percent above it, below 0 under it."""

    what: str
    name: str
    verdict: Verdict
    now: float = 0
    before: float = 0

    @property
    def percent(self) -> float:
        """Give by how much it is higher."""
        return 100 * (self.now / self.before - 1) if self.before else 0.0


def judge(what: str, name: str, now: float | None, before: float | None) -> Line:
    """Hold a count against its baseline; None for one that is not there."""
    if now is None or before is None:
        return Line(what, name, Verdict.NEW if before is None else Verdict.GONE, now or 0, before or 0)
    line = Line(what, name, Verdict.SAME, now, before)
    if abs(now - before) * 100 <= TOLERANCE_PERCENT * before:
        return line
    return Line(what, name, Verdict.ROSE if now > before else Verdict.FELL, now, before)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All counts beside their baselines, and what could not be held against any."""

    lines: Sequence[Line]
    differing: Sequence[str] = ()
    """Versions that differ, in words; instructions are not compared where there are any."""
    left_out: Sequence[str] = ()
    """What is not compared, and why."""

    @property
    def failed(self) -> bool:
        """Whether something costs more, or is held by nothing."""
        return any(line.verdict in FAILURES for line in self.lines)


def compare(now: Counts, before: Counts) -> Comparison:
    """Hold counts against a baseline: instructions where all versions are the same, calls where Python's first two numbers are."""
    names = sorted({*now.versions, *before.versions})
    differing = [
        f"{name} {now.versions.get(name, 'missing')}, the baseline's was {before.versions.get(name, 'missing')}"
        for name in names
        if now.versions.get(name) != before.versions.get(name)
    ]
    left_out, lines = [], []
    reasons = {INSTRUCTIONS: "", CALLS: ""}
    if not now.instructions:
        reasons[INSTRUCTIONS] = now.uncounted
    elif differing:
        reasons[INSTRUCTIONS] = "they were counted with other versions"
    elif abs(now.control - before.control) * 100 > CONTROL_PERCENT * before.control:
        reasons[INSTRUCTIONS] = (
            f"the control takes {now.control:,} here, {before.control:,} where the baseline was counted"
        )
    if any(_minor(now.versions.get(name, "")) != _minor(before.versions.get(name, "")) for name in EVERYWHERE):
        reasons[CALLS] = "another Python"
    for what in COUNTS:
        if reasons[what]:
            left_out.append(f"{what}: {reasons[what]}")
            continue
        ours, theirs = now.of(what), before.of(what)
        lines += [judge(what, name, ours.get(name), theirs.get(name)) for name in dict.fromkeys([*theirs, *ours])]
    return Comparison(lines, differing, left_out)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def report(now: Counts, compared: Comparison | None) -> str:
    """Write counts as a table, with what the comparison says."""
    rows = [f"{'work':<12}{'instructions':>14}{'calls':>10}"]
    for name, calls in now.calls.items():
        counted = f"{now.instructions[name]:,}" if name in now.instructions else "not counted"
        rows.append(f"{name:<12}{counted:>14}{calls:>10,.1f}")
    if compared is None:
        return "\n".join(rows)
    rows += [f"other version: {one}" for one in compared.differing]
    rows += [f"NOT COMPARED  {one}" for one in compared.left_out]
    for line in compared.lines:
        if line.verdict is not Verdict.SAME:
            moved = f"{line.before:,.0f} -> {line.now:,.0f} ({line.percent:+.1f} %)"
            rows.append(f"{line.verdict.value:<5} {line.name}, {line.what}: {moved}")
    if any(line.verdict is Verdict.FELL for line in compared.lines):
        rows.append("cheaper than the baseline: write it anew (make bench-count-write), so that it stays so")
    if compared.failed:
        rows.append(f"a message costs more than {TOLERANCE_PERCENT:g} % more; docs/benchmarks.md says what to do")
    elif compared.lines:
        rows.append("as cheap as the baseline")
    return "\n".join(rows)
