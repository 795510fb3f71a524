"""docs/security.md and the tables of README.md: every claim names its tests, and the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECURITY = (ROOT / "docs" / "security.md").read_text()
README = (ROOT / "README.md").read_text()

ATTACKERS = (
    "A stolen phone, locked",
    "A stolen phone, unlocked",
    "A photographed QR code",
    "A hostile relay",
    "A hostile pairing service",
    "A stolen backup",
    "A malicious account on the same service",
    "Another user of the same computer",
    "Malicious files",
    "An agent, misled",
    "A misled language model",
    "A hostile program",
    "A hostile external agent",
    "A hostile connector",
    "A hostile skill",
    "A hostile web page",
    "Another web site, or somebody at the browser",
    "Another page in the browser of a host's computer",
    "A hostile page in a web phone's browser",
    "Somebody at a web phone's browser",
    "A provider of sign-ins, and who stands between",
    "Somebody on the network",
    "A stranger on the local network",
)
COLUMNS = ["what they try", "what stops it", "what remains", "shown by"]


def section(text: str, heading: str) -> str:
    """Give what stands under a heading."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {heading!r}"
    return found[1]


def table(text: str) -> list[list[str]]:
    """Give the rows of the one table in a text, heads first, without the line below them."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]


def is_there(named: str) -> bool:
    """Say whether `path::test_name` names a test function in that file."""
    path, _, name = named.partition("::")
    file = ROOT / path
    return file.is_file() and bool(re.search(rf"^ *(async )?def {name}\(", file.read_text(), re.MULTILINE))


def missing(cell: str) -> list[str]:
    """Give what is wrong with the tests that a row names: those that are not there, or that there are none."""
    named = re.findall(r"`([^`]+)`", cell)
    left = re.sub(r"`[^`]+`|<br>", "", cell).strip()
    wrong = [one for one in named if not re.fullmatch(r"tests/[\w/]+\.py::test_\w+", one) or not is_there(one)]
    return wrong + ([left] if left else []) + ([] if named else ["no test"])


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_every_row_names_tests_that_are_there(attacker: str) -> None:
    heads, *rows = table(section(SECURITY, attacker))

    assert heads == COLUMNS
    assert rows
    for row in rows:
        assert len(row) == len(COLUMNS), row
        assert all(row), row
        assert not missing(row[-1]), row[0]


def test_there_is_no_other_attacker_in_the_document() -> None:
    described = re.findall(r"^## (.*)\n(?:(?!## ).*\n)*?\| what they try", SECURITY, re.MULTILINE)

    assert tuple(described) == ATTACKERS


def test_every_test_of_an_attack_is_in_the_document() -> None:
    defined = {
        f"{path.relative_to(ROOT)}::{name}"
        for path in (ROOT / "tests" / "protocol").glob("test_attacks_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert defined - set(re.findall(r"`([^`]+)`", SECURITY)) == set()
    assert len(defined) > 30


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "–",
        "`tests/unit/test_security_document.py::test_that_never_was`",
        "`tests/unit/test_not_there.py::test_anything`",
        "`tests/unit/test_security_document.py`",
        "`test_every_row_names_tests_that_are_there`",
        "`tests/unit/test_security_document.py::test_every_row_names_tests_that_are_there` and by reading",
    ],
)
def test_a_row_without_its_test_is_found(cell: str) -> None:
    assert missing(cell)


def test_everything_that_works_is_shown_by_something_that_is_there() -> None:
    rows = table(section(README, "What works"))[1:]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert len(rows) > 10
    for what, shown_by in rows:
        named = re.findall(r"`([^`]+)`", shown_by)
        assert named, what
        for one in named:
            assert one.removeprefix("make ") in targets if one.startswith("make ") else (ROOT / one).exists(), one


def test_every_folder_and_page_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`([\w./]+/[\w./]*)`", section(README, "The parts")) + re.findall(r"\]\(([^)#:]+)", README)

    assert len(named) > 15
    assert [one for one in named if not (ROOT / one).exists()] == []
