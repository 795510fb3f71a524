"""The phone's log: what is on the list, and nothing that a line was given beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from mobile_sim.logs import log_to


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    ours = logging.getLogger("mobile_sim")
    before = ours.level, ours.propagate
    log_to(tmp_path / "phone.log")
    yield tmp_path / "phone.log"
    for handler in list(ours.handlers):
        ours.removeHandler(handler)
        handler.close()
    ours.level, ours.propagate = before


def test_a_line_has_what_is_on_the_list_and_nothing_else(path: Path) -> None:
    said = {"task": "5f2c8e01", "pairing": "00010203", "text": "what a person asked"}

    logging.getLogger("mobile_sim.story").info("task sent", extra=said)

    line = json.loads(path.read_text())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "task sent",
        "level": "info",
        "service": "phone",
        "task": "5f2c8e01",
        "pairing": "00010203",
    }


def test_of_an_exception_there_is_its_place_and_not_its_words(path: Path) -> None:
    try:
        raise ValueError("what a person asked")
    except ValueError:
        logging.getLogger("mobile_sim.line").exception("the line broke")

    assert "what a person asked" not in path.read_text()
    assert "ValueError" in json.loads(path.read_text())["where"]


def test_nobody_else_can_read_it(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
