"""Requirements are pinned with hashes, and which of them a distribution needs is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.release import pins
from deploy.release.places import ROOT

HASHES = " \\\n    --hash=sha256:" + "0" * 64 + " \\\n    --hash=sha256:" + "1" * 64


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_every_line_of_ours_is_pinned_with_hashes(path: Path) -> None:
    found = pins.read(path)

    assert found
    assert all(one.sha256 for one in found)
    assert len({one.name for one in found}) == len({(one.name, one.marker) for one in found}) == len(found)


def test_a_line_is_read(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text(f"one==1.0{HASHES}\ntwo[extra]==2.0b1 ; sys_platform == 'win32'{HASHES}\n")

    one, two = pins.read(tmp_path / "some.txt")

    assert (one.name, one.version, one.marker, one.sha256) == ("one", "1.0", "", ("0" * 64, "1" * 64))
    assert (two.name, two.version, two.marker) == ("two", "2.0b1", "sys_platform == 'win32'")
    assert one.lines + "\n" + two.lines + "\n" == (tmp_path / "some.txt").read_text()


@pytest.mark.parametrize("line", ["one==1.0", "one>=1.0" + HASHES, "one @ https://example.org/one.whl", "-e ./sdk"])
def test_a_line_that_is_not_pinned_is_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "some.txt").write_text(f"zero==0{HASHES}\n{line}\n")

    with pytest.raises(ValueError, match="not pinned"):
        pins.read(tmp_path / "some.txt")


def test_what_a_distribution_needs_goes_all_the_way_down() -> None:
    assert {"cryptography", "cffi", "pycparser"} <= pins.needed("dispatch-sdk")


def test_extras_are_needed_only_by_who_asks_for_them() -> None:
    assert "starlette" not in pins.needed("dispatch-host")
    assert "starlette" in pins.needed("dispatch-host", extras=["page"])
    assert "prometheus-client" in pins.needed("dispatch-host")  # dispatch-sdk[runtime]
