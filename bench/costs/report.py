"""What a run says to a person: a table for each measurement, what trials read, the targets, and who did not run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.costs.figure import Figure
from bench.costs.measurements import MEASUREMENTS
from bench.costs.ratios import Ratio, median, ratio
from bench.costs.result import BARE, Ran, Result
from bench.costs.targets import Judged

_COLUMNS = (
    ("p50 µs", "p50_us"),
    ("p99 µs", "p99_us"),
    ("round trips/s", "round_trips_per_second"),
    ("CPU µs/message", "cpu_us_per_message"),
    ("load CPU %", "load_cpu_percent"),
    ("MiB", "resident_mib"),
)
_ABOUT: Mapping[str, str] = {one.name: one.about for one in MEASUREMENTS}


def report(result: Result) -> str:
    """Write everything."""
    about = result.computer
    parts = [f"{about['cores']} cores, load {about['load_before']:.1f} before it began, Python {about['python']}"]
    parts += [_measured(result, name) for name in result.measurements]
    parts += [_tried(result, one) for one in result.trials if not one.why]
    silent = [f"{one.name:16}{one.why}" for one in (*result.subjects, *result.trials) if one.why]
    if silent:
        parts.append("\n".join(["did not run, or not to the end", *silent]))
    parts.append("\n".join(["targets", *(_judged(one) for one in (*result.judged(), *result.of_growth))]))
    return "\n\n".join(parts)


def _measured(result: Result, name: str) -> str:
    figures = [one for one in result.figures if one.measurement == name]
    present = {one.subject for one in figures}
    rows = [["", *(title for title, _ in _COLUMNS), "p50 : bare", "CPU : bare"]]
    rows += [_row(figures, name, subject) for subject in (one.name for one in result.subjects) if subject in present]
    return "\n".join([f"{name}: {_ABOUT.get(name, 'a relay alone, 5 a second each')}", *_aligned(rows)])


def _tried(result: Result, trial: Ran) -> str:
    found = [one for one in result.readings if one.trial == trial.name]
    rows = [[one.figure, _number(one.value), f"of {one.of}"] for one in found]
    return "\n".join([f"{trial.name}: {trial.about}", *_aligned(rows)])


def _row(figures: Sequence[Figure], measurement: str, subject: str) -> list[str]:
    absolute = (median(figures, measurement=measurement, figure=one, subject=subject) for _, one in _COLUMNS)
    against_bare = (
        ratio(figures, measurement=measurement, figure=one, subject=subject, against=BARE)
        for one in ("p50_us", "cpu_us_per_message")
    )
    return [subject, *map(_number, absolute), *map(_ratio, against_bare)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _judged(one: Judged) -> str:
    sign = ">=" if one.target.at_least else "<="
    bounds = ", ".join(
        f"{word} {sign} {bound:g}" for word, bound in (("must", one.target.must), ("aim", one.target.aim)) if bound
    )
    value = "-" if one.value is None else f"{one.value:.2f}"
    said = f"{one.target.what:46}{bounds:26}{value:>8}  {one.verdict.value}"
    return f"{said}: {one.why}" if one.why else said


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(found: Ratio | None) -> str:
    return "-" if found is None else f"{found.median:.2f} ({found.least:.2f}-{found.greatest:.2f})"
