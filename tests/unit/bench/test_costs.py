"""Figures, ratios and targets of `bench`, and what docs/benchmarks.md says of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.__main__ import grown
from bench.costs.figure import FIGURES, Counted, Figure, figure, percentile
from bench.costs.holding import figure_of
from bench.costs.measurements import FULL, MEASUREMENTS, QUICK, held
from bench.costs.ratios import median, ratio
from bench.costs.report import report
from bench.costs.result import Ran, Result
from bench.costs.stands import BLOCK, stands, together
from bench.costs.stands import main as stands_main
from bench.costs.targets import AT_REST, TARGETS, Judged, Target, Verdict, judge
from bench.figures import Moments, Used, compute
from bench.latencies import Latencies
from bench.markdown import spliced
from bench.plan import Plan
from bench.subjects.listing import SUBJECTS

DOCS = Path(__file__).resolve().parents[3] / "docs"
DOCUMENT = (DOCS / "benchmarks.md").read_text()


def made(subject: str, number: int, *, measurement: str = "one-pair", **changed: Any) -> Figure:
    """Make a figure."""
    values: dict[str, Any] = {
        "round_trips": 10,
        "seconds": 1.0,
        "round_trips_per_second": 10.0,
        "p50_us": 100.0,
        "p99_us": 200.0,
        "cpu_us_per_message": 50.0,
        "load_cpu_percent": 30.0,
        "resident_mib": 20.0,
    }
    return Figure(measurement=measurement, subject=subject, round=number, **(values | changed))


def result(*figures: Figure, subjects: list[Ran] | None = None) -> Result:
    """Make a result of bare and relay."""
    subjects = subjects or [Ran(name="bare", about="b"), Ran(name="relay", about="r")]
    computer = {"cores": 2, "load_before": 0.25, "python": "3.11"}
    return Result(computer=computer, plan=QUICK, subjects=subjects, figures=figures, measurements=["one-pair"])


@given(st.lists(st.integers(0, 1_000), min_size=1), st.sampled_from([0, 1, 50, 99, 100]))
def test_so_many_percent_stayed_within_a_percentile_and_no_smaller_value_does(values: list[int], percent: int) -> None:
    ordered = sorted(map(float, values))

    found = percentile(ordered, percent)

    assert found in ordered
    assert sum(one <= found for one in ordered) >= len(ordered) * percent / 100
    assert sum(one < found for one in ordered) < max(1, len(ordered) * percent / 100)


def test_a_figure_counts_two_messages_for_each_round_trip() -> None:
    counted = Counted(took=[0.003, 0.001, 0.002], seconds=0.5)

    made = figure(
        measurement="crowd",
        subject="relay",
        number=2,
        counted=counted,
        before=Used(1.0, 1024),
        after=Used(1.3, 2048),
        load_cpu_seconds=0.25,
    )

    assert made.round_trips_per_second == 6
    assert (made.p50_us, made.p99_us) == (2_000, 3_000)
    assert made.cpu_us_per_message == pytest.approx(50_000)
    assert (made.load_cpu_percent, made.resident_mib) == (50, 2)


def test_where_nothing_was_carried_there_is_no_latency_and_no_cpu_a_message() -> None:
    nothing = Used(1.0, 1024)

    made = figure(
        measurement="crowd",
        subject="relay",
        number=1,
        counted=Counted(took=(), seconds=1),
        before=nothing,
        after=nothing,
        load_cpu_seconds=0,
    )

    assert (made.p50_us, made.p99_us, made.cpu_us_per_message) == (None, None, None)


def test_a_ratio_is_of_the_same_round_so_that_a_busy_computer_does_not_change_it() -> None:
    """In one round of three everything takes ten times as long, and one subject had its turn in another one as well."""
    figures = [
        *(made("bare", number, p50_us=slow * 100.0) for number, slow in ((1, 1), (2, 10), (3, 1))),
        *(made("relay", number, p50_us=slow * 150.0) for number, slow in ((1, 1), (2, 10), (3, 1))),
        made("relay", 4, p50_us=9_999.0),
    ]

    found = ratio(figures, measurement="one-pair", figure="p50_us", subject="relay", against="bare")

    assert found is not None
    assert (found.median, found.least, found.greatest, found.rounds) == (1.5, 1.5, 1.5, 3)


@pytest.mark.parametrize("other", [None, 0.0])
def test_against_nothing_there_is_no_ratio(other: float | None) -> None:
    figures = [made("bare", 1, cpu_us_per_message=other), made("relay", 1)]

    found = ratio(figures, measurement="one-pair", figure="cpu_us_per_message", subject="relay", against="bare")

    assert found is None


def test_a_ratio_and_a_median_are_of_one_measurement() -> None:
    figures = [made("bare", 1), made("relay", 1), made("relay", 1, measurement="crowd", p50_us=9_999.0)]

    found = ratio(figures, measurement="crowd", figure="p50_us", subject="relay", against="bare")

    assert found is None
    assert median(figures, measurement="one-pair", figure="p50_us", subject="relay") == 100


AT_MOST = Target(what="", measurement="one-pair", figure="p50_us", against="bare", must=1.8, aim=1.3)
AT_LEAST = Target(what="", measurement="one-pair", figure="p50_us", against="bare", must=0.75, aim=1.0, at_least=True)
ONLY_AIM = Target(what="", measurement="one-pair", figure="p50_us", aim=0.5, per=1_000)


@pytest.mark.parametrize(
    ("target", "p50_us", "verdict"),
    [
        (AT_MOST, 130.0, Verdict.AIM),
        (AT_MOST, 131.0, Verdict.PASS),
        (AT_MOST, 180.0, Verdict.PASS),
        (AT_MOST, 181.0, Verdict.SHORTFALL),
        (AT_LEAST, 100.0, Verdict.AIM),
        (AT_LEAST, 75.0, Verdict.PASS),
        (AT_LEAST, 74.0, Verdict.SHORTFALL),
        (ONLY_AIM, 500.0, Verdict.AIM),
        (ONLY_AIM, 501.0, Verdict.MISSED),
    ],
)
def test_a_target_is_an_aim_a_pass_or_a_shortfall(target: Target, p50_us: float, verdict: Verdict) -> None:
    found = judge(target, [made("bare", 1), made("relay", 1, p50_us=p50_us)])

    assert (found.verdict, found.why) == (verdict, "")
    assert found.value == pytest.approx(p50_us / (target.per if not target.against else 100))


def test_a_target_that_was_not_measured_says_who_did_not_run() -> None:
    found = judge(AT_MOST, [made("relay", 1)])

    assert (found.verdict, found.value) == (Verdict.NOT_MEASURED, None)
    assert found.why == "bare did not run one-pair"


def test_a_run_falls_short_with_a_target_or_with_a_subject_that_failed_but_not_with_one_that_is_missing() -> None:
    good, slow = [made("bare", 1), made("relay", 1)], [made("bare", 1), made("relay", 1, p50_us=999.0)]
    missing = Ran(name="redis", about="", begun=False, why="redis-server is not installed")
    failed = Ran(name="redis", about="", begun=True, why="it ended")

    assert not result(*good).short
    assert not result(*good, subjects=[missing]).short
    assert result(*slow).short
    assert result(*good, subjects=[failed]).short


def test_the_report_has_figures_ratios_targets_and_who_did_not_run() -> None:
    missing = Ran(name="redis", about="", begun=False, why="redis-server is not installed")
    subjects = [Ran(name="bare", about=""), Ran(name="relay", about=""), missing]
    figures = [made("bare", 1), made("relay", 1, p50_us=150.0, p99_us=None)]

    shown = report(result(*figures, subjects=subjects))

    assert re.search(r"^relay +150 +- .* 1\.50 \(1\.50-1\.50\)", shown, re.MULTILINE)
    assert re.search(r"^p50, one pair, against bare +must <= 1.8, aim <= 1.3 +1\.50  pass$", shown, re.MULTILINE)
    assert re.search(r"^redis +redis-server is not installed$", shown, re.MULTILINE)
    assert not re.search(r"^redis +\d", shown, re.MULTILINE)
    assert len(re.findall("not measured: ", shown)) == len(TARGETS) - 1


def test_the_json_has_every_figure_of_every_round_and_the_fields_of_the_document() -> None:
    figures = [made("relay", 0, measurement=AT_REST), *(made(name, n) for n in (1, 2) for name in ("bare", "relay"))]

    told = json.loads(json.dumps(result(*figures).told()))

    section = DOCUMENT.partition("## The results as JSON")[2].partition("\n## ")[0]
    fields = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
    assert set(told) == set(fields)
    assert [one["round"] for one in told["figures"]] == [1, 1, 2, 2]
    assert told["subjects"]["relay"] == {"about": "r", "ran": True, "why": "", "at_rest_mib": 20.0}
    assert told["subjects"]["bare"]["at_rest_mib"] is None
    for name, one in (
        ("figures", told["figures"][0]),
        ("ratios", told["ratios"][0]),
        ("targets", told["targets"][0]),
        ("plan", told["plan"]),
        ("subjects", told["subjects"]["bare"]),
    ):
        assert set(one) <= set(re.findall(r"`(\w+)`", fields[name])), name
    assert {one["figure"] for one in told["ratios"]} == set(FIGURES)


def test_the_report_shows_the_targets_of_growth_which_decide_nothing() -> None:
    last = Judged(target=ONLY_AIM, value=99.0, verdict=Verdict.SHORTFALL, why="by the last make bench-growth")
    good = result(made("bare", 1), made("relay", 1))

    shown = replace(good, of_growth=[last])

    assert report(shown).endswith("99.00  shortfall: by the last make bench-growth")
    assert shown.told()["targets"][-1]["value"] == 99.0
    assert not shown.short


def test_growth_that_was_never_measured_is_shown_as_such(tmp_path: Path) -> None:
    assert {one.verdict for one in grown(tmp_path / "figures.json")} == {Verdict.NOT_MEASURED}


def judged_row(what: str, value: float | None) -> dict[str, Any]:
    return {
        "what": what, "must": 2.0, "aim": None, "value": value, "verdict": "shortfall" if value else "not measured",
        "why": "", "at_least": False,
    }  # fmt: skip


def test_where_it_stands_is_put_together_from_runs_of_which_the_first_that_measured_counts() -> None:
    about = {"cores": 2, "python": "3", "grpcio": "1", "load_before": 0.25}
    runs: list[dict[str, Any]] = [
        {"computer": about, "targets": [judged_row("a", 3.0), judged_row("b", None)]},
        {"computer": about, "targets": [judged_row("a", 4.0), judged_row("b", 5.0)]},
    ]

    kept = together(runs)

    assert [row["value"] for row in kept["targets"]] == [3.0, 5.0]
    assert stands(kept).splitlines()[-1] == "| b | ≤ 2 |  | 5.00 | **shortfall** |"
    with pytest.raises(ValueError, match="cores"):
        together([*runs, {"computer": {**about, "cores": 64}, "targets": []}])


def test_the_page_says_where_it_stands_as_its_figures_do() -> None:
    """Nobody copies figures by hand: `make bench-stands` writes the page."""
    kept = json.loads((DOCS / "benchmarks" / "figures.json").read_text())

    assert spliced(DOCUMENT, {BLOCK: stands(kept)}) == DOCUMENT
    names = [one.target.what for one in grown(DOCS / "growth" / "figures.json")]
    assert [row["what"] for row in kept["targets"]] == [*(target.what for target in TARGETS), *names]
    assert all(row["value"] is not None for row in kept["targets"])


@pytest.mark.parametrize("words", [[], ["run.json"], ["missing.json", "docs/benchmarks"]])
def test_what_can_not_be_put_together_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert stands_main(words) == 2
    assert capsys.readouterr().err


def held_alone(*, posted: int, kept: int) -> Figure:
    keeps = Latencies()
    keeps.add(0.010)
    tally = {
        "posted": posted, "held": 4, "kept": kept, "unanswered": posted - kept, "refused": {}, "ended": {},
        "receipts": {}, "keeps": keeps.told(),
    }  # fmt: skip
    used = [Used(1.0, 2048)]
    moments = Moments(started=used, attached=used, begun=used, ended=[Used(3.0, 4096)])
    return figure_of(compute(Plan(pairs=4, seconds=2), moments, [tally], attached_within_s=1))


def test_what_a_relay_held_alone_is_a_figure_of_the_same_units() -> None:
    made = held_alone(posted=1, kept=1)

    assert (made.measurement, made.subject, made.round_trips) == ("held-4", "relay", 1)
    assert (made.round_trips_per_second, made.resident_mib, made.load_cpu_percent) == (0.5, 4, None)
    assert made.p99_us == pytest.approx(10_000, rel=0.011)


def test_a_relay_that_leaves_commands_without_an_answer_falls_short_and_is_no_row_less() -> None:
    assert held_alone(posted=2, kept=1).p99_us == 2_000_000


def rows(heading: str) -> list[list[str]]:
    """Give the cells of the first table behind a text of the document, without its head."""
    lines = DOCUMENT.partition(heading)[2].splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    table = []
    for line in lines[begin + 1 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_the_document_names_every_subject_and_no_other() -> None:
    assert [row[0].strip("`") for row in rows("## What is compared")] == list(SUBJECTS)


def test_the_document_names_every_measurement_with_its_load() -> None:
    named = [re.findall(r"`([\w-]+)`", row[0]) for row in rows("## What is measured")]

    assert named[0] == [MEASUREMENTS[0].name]
    assert [f"one-pair{ending.removeprefix('one-pair')}" for ending in named[1]] == [
        one.name for one in MEASUREMENTS[1:4]
    ]
    assert [name for several in named[2:-1] for name in several] == [one.name for one in MEASUREMENTS[4:]]
    assert named[-1][:2] == [held(pairs) for pairs in FULL.held]


def test_the_document_has_the_targets() -> None:
    written = [tuple(re.sub("[≤≥ ]", "", cell) for cell in row[1:]) for row in rows("**Targets**")]

    assert written == [
        ("" if one.must is None else f"{one.must:g}", "" if one.aim is None else f"{one.aim:g}") for one in TARGETS
    ]
    signs = [set(re.findall("[≤≥]", "".join(row[1:]))) for row in rows("**Targets**")]
    assert signs == [{"≥" if one.at_least else "≤"} for one in TARGETS]
