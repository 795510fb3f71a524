"""The documents say what the host's code says: its metrics, its settings, the reasons for which it declines."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_host import settings
from dispatch_host.limits import Limits
from dispatch_host.metrics import HostMetrics

ROOT = Path(__file__).resolve().parents[3]
METRICS = (ROOT / "docs" / "metrics.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
HOST = (ROOT / "docs" / "host.md").read_text()


def test_every_metric_of_the_host_is_in_the_document_and_no_other() -> None:
    counted = set()
    for family in HostMetrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        counted.add(f"`{name}`" + (f" `{{{', '.join(labels)}}}`" if labels else ""))

    found = re.findall(r"^\| (`dispatch_host_\w+`(?: `\{\w+\}`)?) \|", METRICS, re.MULTILINE)

    assert set(found) == counted
    assert len(found) == len(counted)


def test_every_outcome_is_counted_from_zero_on() -> None:
    samples = {
        sample.labels["outcome"]: sample.value
        for family in HostMetrics().registry.collect()
        for sample in family.samples
        if sample.name == "dispatch_host_tasks_total"
    }

    assert samples == dict.fromkeys(["done", "failed", "cancelled", "interrupted", "denied", "timed_out"], 0)


def test_every_reason_to_refuse_is_counted_from_zero_on() -> None:
    samples = {
        sample.labels["reason"]: sample.value
        for family in HostMetrics().registry.collect()
        for sample in family.samples
        if sample.name == "dispatch_host_refusals_total"
    }

    assert samples == {errors.word(reason): 0 for reason in errors.all_reasons()}


def test_every_setting_of_the_host_is_in_the_document_with_its_default() -> None:
    found = dict(re.findall(r"^\| `(DISPATCH_HOST_\w+)` \| (\S+) \|", OPERATIONS, re.MULTILINE))

    assert {name: float(value) for name, value in found.items()} == {
        f"DISPATCH_HOST_{field.name.upper()}": field.default for field in fields(Limits)
    }


def test_settings_are_read_by_those_names() -> None:
    assert settings.limits({}) == Limits()
    assert settings.limits({"DISPATCH_HOST_PAUSE_SECONDS": "30"}) == Limits(pause_seconds=30)


@pytest.mark.parametrize("value", ["", "soon", "0", "-1", "nan", "inf", "1e99"])
def test_a_setting_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(errors.BadRequest, match="DISPATCH_HOST_PAUSE_SECONDS"):
        settings.limits({"DISPATCH_HOST_PAUSE_SECONDS": value})


def test_the_reasons_for_declining_are_reasons_of_the_contract() -> None:
    words = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", HOST)) - {"STEPS"}

    assert words <= {errors.word(reason) for reason in errors.all_reasons()}
