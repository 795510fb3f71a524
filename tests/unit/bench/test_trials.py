"""Trials of `bench`: what they make of times, how they fare, what docs/benchmarks.md says; and all of them, as small as can be."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from dispatch.sealed.file import CHUNK_BYTES

from bench.__main__ import read
from bench.costs.report import report
from bench.costs.result import Ran, Result
from bench.costs.targets import TARGETS, Target, Verdict, judge
from bench.subjects.subject import Lost, Missing
from bench.trials import summary
from bench.trials.listing import TRIALS
from bench.trials.parcel import Parcel
from bench.trials.running import carried_out
from bench.trials.start_up import Executed
from bench.trials.trial import FULL_TRIALS, QUICK_TRIALS, Reading, Trial, TrialPlan, ratio_of, readings, spread
from tests.unit.bench.test_costs import DOCUMENT, result, rows

SMALLEST = TrialPlan(
    starts=1,
    refusals=3,
    deaths=1,
    lease_ms=1_000,
    presences=1,
    revocations=2,
    rows=250,
    resumes=1,
    transfers=1,
    transfer_bytes=1024 * 1024,
    messages=3,
    seals=5,
    handshakes=1,
    csv_bytes=50_000,
    summaries=1,
)


def silent(_what: str) -> None:
    """Say nothing."""


def test_a_spread_is_of_all_times_in_whatever_order() -> None:
    made = spread("refusal", "refused", [9.0, *(1.0 for _ in range(98)), 8.0])

    assert made == [
        Reading(trial="refusal", figure="refused_p50_ms", value=1.0, of=100),
        Reading(trial="refusal", figure="refused_p99_ms", value=8.0, of=100),
    ]
    with pytest.raises(ValueError, match="refusal has measured no refused"):
        spread("refusal", "refused", [])


def test_a_ratio_is_of_what_was_measured_in_the_same_turn() -> None:
    """In one turn of three everything takes ten times as long: a ratio of medians would hold, one of sums would not."""
    assert ratio_of([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]) == 3.0


AT_MOST = Target(what="", measurement="refusal", figure="refused_p99_ms", subject="", must=20, aim=5)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(5.0, Verdict.AIM), (20.0, Verdict.PASS), (20.1, Verdict.SHORTFALL), (None, Verdict.NOT_MEASURED)],
)
def test_a_target_judges_the_reading_of_its_trial_and_no_other(value: float | None, verdict: Verdict) -> None:
    others = [*readings("refusal", of=1, refused_p50_ms=1.0), *readings("presence", of=1, refused_p99_ms=1.0)]
    measured = [] if value is None else readings("refusal", of=1, refused_p99_ms=value)

    judged = judge(AT_MOST, [], [*others, *measured])

    assert (judged.verdict, judged.value) == (verdict, value)
    assert judged.why == ("refusal did not run" if value is None else "")


def test_every_target_of_a_trial_is_of_a_figure_that_it_gives() -> None:
    of_trials = [one for one in TARGETS if not one.subject]

    assert {one.measurement for one in of_trials} == set(TRIALS) - {"sealing"}
    assert all(one.figure in TRIALS[one.measurement].figures for one in of_trials)


async def test_what_is_missing_does_not_begin_and_what_fails_gives_nothing_and_the_rest_goes_on() -> None:
    folders: list[Path] = []

    async def good(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
        assert plan == SMALLEST
        await asyncio.to_thread((folder / "here").touch)
        folders.append(folder)
        return readings("good", of=1, it_ms=1.0)

    async def missing(_plan: TrialPlan, _folder: Path) -> Sequence[Reading]:
        raise Missing("it is not installed")

    async def failed(_plan: TrialPlan, _folder: Path) -> Sequence[Reading]:
        async with asyncio.TaskGroup() as group:
            await group.create_task(late())
        return readings("failed", of=1, it_ms=1.0)

    async def late() -> None:
        raise Lost("it ended")

    said: list[str] = []
    trials = [Trial(name=one.__name__, about="", figures=("it_ms",), run=one) for one in (missing, failed, good)]

    found, ran = await carried_out(trials, SMALLEST, say=said.append)

    assert found == readings("good", of=1, it_ms=1.0)
    assert [(one.name, one.begun, one.why) for one in ran] == [
        ("missing", False, "it is not installed"), ("failed", True, "it ended"), ("good", True, ""),
    ]  # fmt: skip
    assert said == ["missing", "missing: it is not installed", "failed", "failed: it ended", "good"]
    assert not any(folder.exists() for folder in folders)


def tried(*trials: Ran, found: Sequence[Reading] = ()) -> Result:
    """Make a result of trials alone."""
    whole = result()
    return Result(computer=whole.computer, plan=whole.plan, subjects=(), figures=(), trials=trials, readings=found)


def test_a_run_falls_short_with_a_trial_that_failed_but_not_with_one_that_is_missing() -> None:
    slow = readings("refusal", of=9, refused_p99_ms=21.0)

    assert not tried(Ran(name="summary", about="", begun=False, why="duckdb is not installed")).short
    assert tried(Ran(name="summary", about="", why="it ended")).short
    assert tried(Ran(name="refusal", about=""), found=slow).short


def test_the_report_has_what_trials_read_and_why_one_did_not() -> None:
    ran = Ran(name="refusal", about="a command"), Ran(name="summary", about="", begun=False, why="no duckdb")

    shown = report(tried(*ran, found=readings("refusal", of=9, refused_p99_ms=1.984)))

    assert re.search(r"^refusal: a command\nrefused_p99_ms +1\.98 +of 9$", shown, re.MULTILINE)
    assert re.search(r"^summary +no duckdb$", shown, re.MULTILINE)
    assert re.search(r"^p99 ms, refusal for an absent host +must <= 20, aim <= 5 +1\.98  aim$", shown, re.MULTILINE)


def test_the_json_has_what_trials_read_in_the_fields_of_the_document() -> None:
    ran = Ran(name="refusal", about="a command")

    told = json.loads(json.dumps(tried(ran, found=readings("refusal", of=9, refused_p99_ms=2.0)).told()))

    assert told["trials"] == {"refusal": {"about": "a command", "ran": True, "why": ""}}
    assert told["readings"] == [{"trial": "refusal", "figure": "refused_p99_ms", "value": 2.0, "of": 9}]
    described: dict[str, Any] = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT, re.MULTILINE))
    assert set(told["trials"]["refusal"]) <= set(re.findall(r"`(\w+)`", described["trials"]))
    assert set(told["readings"][0]) == set(re.findall(r"`(\w+)`", described["readings"]))


def test_trials_are_done_unless_something_else_is_asked_for() -> None:
    assert list(read([]).trials) == list(TRIALS.values())
    assert read([]).trial_plan == QUICK_TRIALS
    assert read(["--full"]).trial_plan == FULL_TRIALS
    assert not read(["--only", "relay"]).trials
    assert not read(["--only", "crowd"]).trials
    assert not read(["--only", "held-500"]).trials


def test_a_trial_alone_starts_no_subject() -> None:
    order = read(["--only", "sealing", "--only", "refusal"])

    assert [one.name for one in order.trials] == ["refusal", "sealing"]
    assert (list(order.subjects), list(order.measurements), order.plan.held) == ([], [], ())


def test_the_document_has_every_trial_with_its_figures() -> None:
    written = [[re.findall(r"`([\w-]+)`", cell) for cell in (row[0], row[2])] for row in rows("## Trials")]

    assert written == [[[name], list(one.figures)] for name, one in TRIALS.items()]


def test_the_document_says_how_often_and_how_large() -> None:
    said = DOCUMENT.partition("## Trials")[2]

    for plan in (QUICK_TRIALS, FULL_TRIALS):
        assert f"{plan.transfer_bytes // 1024**2:,} MiB" in said
        assert f"{plan.rows:,} rows" in said
    assert all(getattr(SMALLEST, one.name) for one in fields(TrialPlan))


def test_a_parcel_reads_at_every_place_as_its_digest_has_it() -> None:
    size = 2 * 1024 * 1024 + 12_345
    parcel = Parcel.of(size)

    read_in_chunks = b"".join(parcel.read(at, CHUNK_BYTES) for at in range(0, 2 * 1024 * 1024, CHUNK_BYTES))
    whole = read_in_chunks + parcel.read(2 * 1024 * 1024, 12_345)

    assert (len(whole), sha256(whole).digest()) == (size, parcel.file.sha256)
    assert parcel.read(1024 * 1024 - 10, 20) == whole[1024 * 1024 - 10 : 1024 * 1024 + 10]


def test_a_csv_is_as_large_as_was_asked_and_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        summary.written(path, 100_000, rng=Random(1))

    assert 100_000 <= paths[0].stat().st_size < 200_000
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.big
async def test_every_trial_gives_all_its_figures() -> None:
    found, ran = await carried_out(list(TRIALS.values()), SMALLEST, say=silent)

    there = importlib.util.find_spec("duckdb") is not None
    lacking = "" if there else "duckdb is not installed (make .venv/.bench)"
    assert [(one.name, one.why) for one in ran] == [(name, lacking if name == "summary" else "") for name in TRIALS]
    assert [(one.trial, one.figure) for one in found] == [
        (name, figure) for name, one in TRIALS.items() if there or name != "summary" for figure in one.figures
    ]
    assert all(one.value > 0 for one in found if one.figure != "message_added_p99_ms")


@pytest.mark.big
async def test_programs_whose_start_is_measured_are_executed(tmp_path: Path) -> None:
    """Defect: they were forked from a process that had imported everything, and a relay served within 115 ms."""
    async with Executed(tmp_path) as world:
        await world.start_pairing()  # one that is still there when it is looked at
        words = (Path("/proc") / str(world.pairing.pid) / "cmdline").read_bytes().split(b"\0")

    assert Path(words[1].decode()).name == "dispatch-pairing"
