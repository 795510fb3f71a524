"""The documents say what the code says: the reasons, the metrics, the settings, the guarantees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from dispatch import errors
from dispatch_relay.metrics import Metrics
from dispatch_relay.settings import PREFIX, Settings
from prometheus_client import CollectorRegistry

ROOT = Path(__file__).resolve().parents[3]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
METRICS = (ROOT / "docs" / "metrics.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
GUARANTEES = ("contiguous", "idempotent", "resumable", "answered", "explained", "blind")


def reasons() -> Iterator[str]:
    """Write the table of reasons as it stands in docs/protocol.md."""
    yield "| reason | code | what a person reads | what helps |"
    yield "|---|---|---|---|"
    for reason in errors.all_reasons():
        kind = errors.kind_of(reason)
        yield f"| `{errors.word(reason)}` | {kind.code.value} | {kind.sentence} | {kind.advice} |"


def section(text: str, heading: str) -> str:
    """Give what stands under a heading."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {heading!r}"
    return found[1]


def test_the_reasons_in_the_document_are_those_of_the_code() -> None:
    table = [line for line in section(PROTOCOL, "Reasons").splitlines() if line.startswith("|")]
    assert table == list(reasons())


def test_every_guarantee_is_a_heading_a_comment_in_the_contract_and_a_test() -> None:
    contract = (ROOT / "protos/dispatch/api/relay/v1/relay.proto").read_text()
    tests = (ROOT / "tests/protocol/test_guarantees.py").read_text()
    for name in GUARANTEES:
        assert f"\n### {name.capitalize()}\n" in PROTOCOL
        assert f"//   {name} " in contract
        assert re.search(rf"^async def test_{name}\(", tests, re.MULTILINE)


def test_every_metric_of_the_relay_is_in_the_document_and_no_other() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    counted = set()
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        counted.add(f"`{name}`" + (f" `{{{', '.join(labels)}}}`" if labels else ""))
    rows = [line.split(" | ") for line in section(METRICS, "Relay").splitlines() if line.startswith("| `")]
    assert {cells[0].removeprefix("| ") for cells in rows} == counted


def test_every_label_stands_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    for cause in ("asleep", "app_closed", "unreachable", "never_connected", "revoked"):
        assert registry.get_sample_value("dispatch_relay_host_offline_failures_total", {"cause": cause}) == 0
    for outcome in ("done", "failed", "cancelled", "interrupted", "denied", "timed_out", "refused"):
        assert registry.get_sample_value("dispatch_relay_tasks_total", {"outcome": outcome}) == 0
    for reason in errors.all_reasons():
        assert registry.get_sample_value("dispatch_relay_refusals_total", {"reason": errors.word(reason)}) == 0


def test_every_setting_is_in_the_document_with_its_default() -> None:
    rows = {
        line.split("`")[1]: line for line in section(OPERATIONS, "Settings of the relay").splitlines() if "`" in line
    }
    expected = {PREFIX + one.name.upper(): one for one in fields(Settings)}
    assert set(rows) == set(expected)
    for name, one in expected.items():
        default = str(one.default) if one.default else ""
        assert rows[name].split("|")[2].strip() == default
