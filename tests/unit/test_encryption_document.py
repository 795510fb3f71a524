"""docs/encryption.md: what it cites exists, and what the code cites of it exists."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "encryption.md").read_text()
HEADINGS = set(re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE))


def test_every_test_that_the_document_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert len(named) > 80
    assert named - defined == set()


def test_every_file_of_vectors_that_the_document_names_exists_and_none_is_left_out() -> None:
    named = set(re.findall(r"`(\w+\.json)`", DOCUMENT))

    assert named == {path.name for path in (ROOT / "tests" / "vectors").glob("*.json")}


SOURCES = sorted(chain((ROOT / "sdk").rglob("*.py"), (ROOT / "protos").rglob("*.proto")))
CITING = [path for path in SOURCES if re.search(r"docs/encryption\.md,? \"", path.read_text())]


@pytest.mark.parametrize("path", CITING, ids=lambda path: path.name)
def test_every_heading_that_a_source_cites_exists(path: Path) -> None:
    text = re.sub(r"\s*\n\s*(//|#)?\s*", " ", path.read_text())
    for cited in re.findall(r'docs/encryption\.md,? ((?:"[^"]+"(?:, )?)+)', text):
        for heading in re.findall(r'"([^"]+)"', cited):
            assert heading in HEADINGS
