"""One version: of the five distributions, of what programs say, of what devices state."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from dispatch.version import APP_VERSION

from deploy.release.places import DISTRIBUTIONS, ROOT, VERSIONS, Distribution, version, versions, write_version

PROGRAMS = [one.program for one in DISTRIBUTIONS if one.program is not None]
ALL = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=[one.name for one in DISTRIBUTIONS])


def test_every_file_that_says_the_version_says_the_same() -> None:
    assert set(versions().values()) == {APP_VERSION}
    assert version() == APP_VERSION


@ALL
def test_a_distribution_has_the_version_from_that_one_place(distribution: Distribution) -> None:
    folder, name = distribution.folder, distribution.name
    said = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())

    assert "version" not in said["project"]
    path = (ROOT / folder / said["tool"]["hatch"]["version"]["path"]).resolve()
    assert path == ROOT / next(iter(VERSIONS))
    assert metadata.version(name) == APP_VERSION


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_its_version(program: str, tmp_path: Path) -> None:
    def said(*words: str) -> str:
        done = subprocess.run(
            [str(Path(sys.executable).parent / program), *words],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        return done.stdout

    assert said("--version") == f"{program} {APP_VERSION}\n"
    assert json.loads(said("--version", "--json")) == {"event": "version", "program": program, "version": APP_VERSION}


def test_a_file_that_says_the_version_twice_is_not_written(tmp_path: Path) -> None:
    for name, line in VERSIONS.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(line.format("0.1.0") * 2)

    with pytest.raises(ValueError, match="2 times"):
        write_version("0.2.0", tmp_path)
