"""Wheels are the same bytes whoever builds them."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from deploy.release import wheels
from deploy.release.places import DISTRIBUTIONS, ROOT


def test_a_difference_is_found() -> None:
    assert wheels.differing({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == ["b"]
    assert wheels.differing({"a": "1", "b": "2"}, {"a": "1"}) == ["b"]
    assert wheels.differing({"a": "1"}, {"a": "1"}) == []


@pytest.mark.big
def test_wheels_are_built_twice_and_are_the_same(tmp_path: Path) -> None:
    made = wheels.built_twice(ROOT, tmp_path / "wheels")

    assert wheels.digests(sorted((tmp_path / "wheels").iterdir())) == made
    assert [any(name.startswith(one.wheel) for name in made) for one in DISTRIBUTIONS] == [True] * 5
    tracked = set(
        subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    )
    for one in DISTRIBUTIONS:
        (wheel,) = (tmp_path / "wheels").glob(f"{one.wheel}*")
        with zipfile.ZipFile(wheel) as opened:
            held = {name for name in opened.namelist() if ".dist-info/" not in name}
        own = {
            name.removeprefix(f"{one.folder}/") for name in tracked if name.startswith(f"{one.folder}/{one.package}/")
        }
        assert held == own


def test_a_build_that_fails_says_so(tmp_path: Path) -> None:
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk" / "pyproject.toml").write_text("[project]\n")

    with pytest.raises(ValueError, match="dispatch-sdk can't be built"):
        wheels.build(tmp_path, tmp_path / "wheels", epoch=wheels.commit_time())
