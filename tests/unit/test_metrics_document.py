"""docs/metrics.md lists every metric of every process, with its kind and labels, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.promql import registries

METRICS = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()
Row = tuple[str, str]
"""Name and kind."""


def in_the_document() -> dict[Row, tuple[str, str]]:
    """Give labels and meaning of each row; a name with braces stands for several."""
    rows: dict[Row, tuple[str, str]] = {}
    pattern = r"^\| `(dispatch_[\w{},]+)`(?: `\{([^}]*)\}`)? \| (\w+) \| (.*) \|$"
    for name, labels, kind, meaning in re.findall(pattern, METRICS, re.MULTILINE):
        several = re.search(r"\{([^}]*)\}", name)
        for one in several[1].split(",") if several else [""]:
            row = (name.replace(several[0], one) if several else name, kind)
            assert row not in rows
            rows[row] = (labels, meaning)
    return rows


def test_every_metric_is_in_the_document_with_its_kind_and_no_other() -> None:
    counted = {
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type)
        for registry in registries()
        for family in registry.collect()
    }

    assert set(in_the_document()) == counted


def test_every_label_is_in_the_document_with_each_of_its_words() -> None:
    """But for reasons, of which docs/protocol.md has the words, and states and verdicts of the relay that it explains."""
    rows = in_the_document()
    for registry in registries():
        for family in registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels, meaning = rows[name, family.type]
            said = {sample.name: sample.labels for sample in family.samples}
            found = sorted({label for sample in said.values() for label in sample} - {"le"})
            assert not found or labels == ", ".join(found), name
            words = {word for sample in family.samples for label, word in sample.labels.items() if label != "le"}
            if "protocol.md" not in meaning and "results" not in meaning and "state" not in found:
                assert words <= set(re.findall(r"`(\w+)`", meaning)), name


def test_a_row_of_the_document_is_a_row_of_this_test() -> None:
    names = re.findall(r"^\| `(dispatch_[^`]+)`", METRICS, re.MULTILINE)

    assert sum(name.count(",") + 1 for name in names) == len(in_the_document())
