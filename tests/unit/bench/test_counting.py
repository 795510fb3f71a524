"""The counts of `bench.counting`: that they are the same each time, what is said of a difference, and docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.counting import counter
from bench.counting.__main__ import BASELINE
from bench.counting.baseline import (
    CALLS,
    CONTROL_PERCENT,
    INSTRUCTIONS,
    TOLERANCE_PERCENT,
    Counts,
    Verdict,
    compare,
    judge,
    report,
)
from bench.counting.counted import COUNTED
from bench.counting.still import StillClock, StillLoop, Stuck

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md").read_text()
VERSIONS = {"python": "3.11.7", "sqlite": "3.40.1"}
BEFORE = Counts(
    versions=VERSIONS, instructions={"round-trip": 1_000_000}, calls={"round-trip": 1_000.0}, control=100_000
)


def with_round_trip(*, instructions: int = 1_000_000, calls: float = 1_000.0, **versions: str) -> Counts:
    """Make counts that differ from BEFORE in what is given."""
    return replace(
        BEFORE,
        versions=VERSIONS | versions,
        instructions={"round-trip": instructions},
        calls={"round-trip": calls},
    )


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        (100.0, 100.0, Verdict.SAME),
        (103.0, 100.0, Verdict.SAME),
        (103.1, 100.0, Verdict.ROSE),
        (97.0, 100.0, Verdict.SAME),
        (96.9, 100.0, Verdict.FELL),
        (100.0, None, Verdict.NEW),
        (None, 100.0, Verdict.GONE),
    ],
)
def test_a_count_is_the_same_within_the_tolerance(now: float | None, before: float | None, verdict: Verdict) -> None:
    assert judge(CALLS, "live", now, before).verdict is verdict


@pytest.mark.parametrize("changed", [{"instructions": 1_031_000}, {"calls": 1_031.0}])
def test_a_count_that_rose_is_a_failure_and_is_named(changed: dict[str, int]) -> None:
    now = with_round_trip(**changed)  # type: ignore[arg-type]  # one of two numbers

    compared = compare(now, BEFORE)

    assert compared.failed
    assert "ROSE  round-trip" in report(now, compared)
    assert "(+3.1 %)" in report(now, compared)


def test_a_count_that_fell_is_said_and_is_no_failure() -> None:
    now = with_round_trip(instructions=900_000)

    compared = compare(now, BEFORE)

    assert not compared.failed
    assert "fell  round-trip, instructions" in report(now, compared)
    assert "make bench-count-write" in report(now, compared)


def test_with_other_versions_only_calls_are_compared_and_it_is_said() -> None:
    now = with_round_trip(instructions=2_000_000, sqlite="3.46.0")

    compared = compare(now, BEFORE)

    assert not compared.failed
    assert {line.what for line in compared.lines} == {CALLS}
    assert "sqlite 3.46.0, the baseline's was 3.40.1" in report(now, compared)
    assert f"NOT COMPARED  {INSTRUCTIONS}: they were counted with other versions" in report(now, compared)
    assert compare(with_round_trip(calls=1_031.0, sqlite="3.46.0"), BEFORE).failed


def test_with_another_python_nothing_is_compared_and_it_is_said() -> None:
    now = with_round_trip(calls=2_000.0, python="3.12.1")

    compared = compare(now, BEFORE)

    assert not compared.failed
    assert not compared.lines
    assert f"NOT COMPARED  {CALLS}: another Python" in report(now, compared)


def test_without_valgrind_calls_are_compared_and_it_is_said() -> None:
    now = replace(with_round_trip(), instructions={}, uncounted="valgrind is not installed")

    compared = compare(now, BEFORE)

    assert {line.what for line in compared.lines} == {CALLS}
    assert f"NOT COMPARED  {INSTRUCTIONS}: valgrind is not installed" in report(now, compared)


def test_where_the_control_differs_the_computer_counts_otherwise_and_only_calls_are_compared() -> None:
    now = replace(with_round_trip(instructions=2_000_000), control=102_000)

    compared = compare(now, BEFORE)

    assert {line.what for line in compared.lines} == {CALLS}
    assert f"NOT COMPARED  {INSTRUCTIONS}: the control takes 102,000 here, 100,000" in report(now, compared)
    assert compare(replace(now, control=100_900), BEFORE).failed


def test_a_baseline_is_read_as_it_was_written_and_nothing_else_is() -> None:
    assert Counts.read(BEFORE.text()) == BEFORE
    for text in ("{}", "[]", '{"schema": 1}', '{"schema": 2}', '{"schema": 2, "versions": {}, "more": 1}', "not json"):
        with pytest.raises(ValueError, match=r"."):
            Counts.read(text)


def test_the_baseline_holds_every_work() -> None:
    baseline = Counts.read(BASELINE.read_text())

    names = {one.name for one in COUNTED}
    assert set(baseline.instructions) == names
    assert set(baseline.calls) == names
    assert set(baseline.versions) == set(counter.versions())
    assert baseline.control


def test_a_loop_of_which_nobody_has_anything_left_to_do_says_so_rather_than_wait() -> None:
    loop = StillLoop(StillClock())
    waiting = loop.create_future()

    with pytest.raises(Stuck):
        loop.run_until_complete(waiting)

    loop.close()


def test_a_timer_is_due_when_the_clock_was_moved_so_far() -> None:
    # The loop's time began in 1970 once: there a timer was never due, and the loop went round for ever.
    clock = StillClock()
    loop = StillLoop(clock)
    rung: list[int] = []

    async def ring() -> None:
        loop.call_later(5, lambda: rung.append(clock.now_ms))
        began = clock.now_ms
        clock.pass_(4_999)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not rung
        clock.pass_(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert rung == [began + 5_000]

    loop.run_until_complete(ring())
    loop.close()


@pytest.mark.big
def test_calls_are_the_same_each_time_to_the_last_one() -> None:
    first, second = counter.counted_calls(), counter.counted_calls()

    assert first == second
    assert set(first) == {one.name for one in COUNTED}  # the control is none of ours
    assert all(first.values())


@pytest.mark.big
def test_where_valgrind_can_not_count_calls_are_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "valgrind"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec echo valgrind-0\necho "no such instruction" >&2\nexit 1\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    now = counter.count()

    assert not now.instructions
    assert "no such instruction" in now.uncounted
    assert now.calls == counter.counted_calls()


def test_the_document_names_every_work_and_the_tolerance() -> None:
    section = DOCUMENT.split("## It stays as cheap")[1].split("\n## ")[0]

    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section, re.MULTILINE)
    assert rows == [(one.name, one.about) for one in COUNTED]
    assert f"more than {TOLERANCE_PERCENT:g} %" in section
    assert f"more than {CONTROL_PERCENT:g} %" in section
