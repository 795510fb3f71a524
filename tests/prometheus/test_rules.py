"""The alerts of deploy/prometheus/rules.yml fire when they should, keep silent when they should, and name what there is.

Needs promtool, which .ci/run installs. Each alert has a case in fires.yml; normal_week.yml has a week in which none fires,
once.yml what is over before anybody could act.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promql import known_series, named_series

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
EVERY_RULE: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in EVERY_RULE if "alert" in rule}
CASES = ("fires.yml", "normal_week.yml", "own_past.yml", "once.yml")
RECORDED = {rule["record"] for rule in EVERY_RULE if "record" in rule}


def promtool(*words: str) -> None:
    done = subprocess.run(["promtool", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def written(name: str) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = yaml.safe_load((HERE / name).read_text())["tests"]
    return tests


def test_the_rules_are_sound() -> None:
    promtool("check", "rules", "--lint-fatal", str(RULES))


@pytest.mark.parametrize("name", CASES)
def test_alerts_fire_when_they_should_and_keep_silent_when_they_should(name: str) -> None:
    promtool("test", "rules", str(HERE / name))


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    assert [test["name"] for test in written("fires.yml")] == list(ALERTS)


def test_the_week_has_something_for_each_alert_to_look_at() -> None:
    given = {
        named_series(series["series"])[0].name for test in written("normal_week.yml") for series in test["input_series"]
    }

    for rule in EVERY_RULE:
        read = {series.name for series in named_series(rule["expr"])} - RECORDED
        assert read <= given, rule


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.get("alert") or rule["record"])
def test_what_a_rule_reads_is_counted_by_a_process(rule: dict[str, Any]) -> None:
    known = known_series()

    for series in named_series(rule["expr"]):
        if series.name not in RECORDED:
            assert series.wrong(known) == "", rule["expr"]


def test_what_the_cases_give_is_counted_by_a_process() -> None:
    known = known_series()

    for name in CASES:
        for test in written(name):
            for given in test["input_series"]:
                (series,) = named_series(given["series"])
                assert series.wrong(known) == "", given


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_means_and_where_it_is_written_what_to_do(name: str) -> None:
    rule = ALERTS[name]

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"


def test_each_alert_has_its_section_and_each_section_its_alert() -> None:
    assert re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_says_what_it_means_how_to_look_what_to_do_and_when_it_is_over(name: str) -> None:
    section = RUNBOOKS.partition(f"### {name}\n")[2].partition("\n##")[0]

    assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == ["For people", "Look", "Do", "Over"]


def test_what_a_runbook_names_is_counted_by_a_process() -> None:
    known, queries = known_series(), re.findall(r"`([^`]*\bdispatch_(?:pairing|relay|host)_\w+[^`]*)`", RUNBOOKS)

    assert queries
    for query in queries:
        for series in named_series(query):
            assert series.wrong(known) == "", query
