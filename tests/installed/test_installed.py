"""Each distribution as a person installs it: from its wheel, without extras, into an environment that has nothing else.

What it needs of others is taken from .venv, where pip checked the hash of each, at the versions that the requirements of its image
have; that pip can install all of it, the images show (tests/compose). `.ci/run` runs these.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from deploy.release import pins, wheels
from deploy.release.places import DISTRIBUTIONS, ROOT, Distribution, version

DEADLINE_SECONDS = 300
OURS = frozenset(one.name for one in DISTRIBUTIONS)
EACH = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=[one.name for one in DISTRIBUTIONS])
WITH_A_PROGRAM = [one for one in DISTRIBUTIONS if one.program is not None]

OF_SERVERS = frozenset(
    {
        "aiohttp",
        "aiosqlite",
        "alembic",
        "apprise",
        "asyncpg",
        "authlib",
        "connectrpc",
        "nats-py",
        "pywebpush",
        "sqlalchemy",
    }
    | {"starlette", "uvicorn", "websockets"}
)
"""What services are made of, or the host's extra `page`."""

IMPORT_ALL = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
lacks, broken = {}, {}
for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda _: None):
    if found.name.endswith(".migrations.env"):
        continue  # a script that alembic runs
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as missing:
        lacks[found.name] = missing.name
    except Exception as error:
        broken[found.name] = repr(error)
print(json.dumps({"lacks": lacks, "broken": broken}))
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with one distribution, and a home for it."""

    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run something of the environment, far from this repository."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
        return subprocess.run(
            [str(self.folder / "bin" / words[0]), *words[1:]],
            cwd=home,
            env={**kept, "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def _put(name: str, packages: Path) -> None:
    """Put a package of this Python's, which came by its hash, into another's: in a second, where pip takes many."""
    distribution = metadata.distribution(name)
    for one in distribution.files or ():
        if one.parts[0] != ".." and "__pycache__" not in one.parts:
            to = packages / one
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                to.hardlink_to(Path(str(one.locate())))
            except OSError:  # another disk
                shutil.copyfile(str(one.locate()), to)


def _install(distribution: Distribution, built: Path, folder: Path) -> Installed:
    wanted = pins.needed(distribution.name) - OURS
    pinned = {one.name: one.version for one in pins.read(ROOT / "requirements" / distribution.pins)}
    assert {name: pinned.get(name) for name in wanted} == {name: metadata.version(name) for name in wanted}
    own = [
        next(built.glob(f"{one.wheel}*")) for one in DISTRIBUTIONS if one.name in {distribution.name, "dispatch-sdk"}
    ]
    _do(sys.executable, "-m", "venv", "--without-pip", str(folder))
    (packages,) = (folder / "lib").glob("python*/site-packages")
    for name in wanted:
        _put(name, packages)
    pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check")
    _do(*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", *map(str, own))
    return Installed(folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Installed]:
    """Install each of the five, side by side."""
    folder = tmp_path_factory.mktemp("installed")
    wheels.copy_sources(ROOT, folder / "sources")
    wheels.build(folder / "sources", folder / "wheels", epoch=wheels.commit_time())
    with ThreadPoolExecutor(3) as several:
        begun = {one.name: several.submit(_install, one, folder / "wheels", folder / one.name) for one in DISTRIBUTIONS}
        return {name: one.result() for name, one in begun.items()}


def _there(one: Installed) -> dict[str, str]:
    """Give what is installed there, and its versions: from outside, since starting a Python costs more."""
    (packages,) = (one.folder / "lib").glob("python*/site-packages")
    return {canonicalize_name(each.name): each.version for each in metadata.distributions(path=[str(packages)])}


@EACH
def test_it_brings_what_it_needs_and_nothing_else(
    installed: Mapping[str, Installed], distribution: Distribution
) -> None:
    there = _there(installed[distribution.name])

    assert set(there) == pins.needed(distribution.name) | {distribution.name}
    assert {there[name] for name in there if name in OURS} == {version()}


@pytest.mark.parametrize("device", ["dispatch-host", "dispatch-mobile-sim"])
def test_a_device_gets_nothing_of_a_server(installed: Mapping[str, Installed], device: str) -> None:
    there = _there(installed[device])

    assert set(there) & (OF_SERVERS | OURS) == {"dispatch-sdk", device}


@EACH
def test_each_module_can_be_imported_or_is_of_an_extra(
    installed: Mapping[str, Installed], distribution: Distribution
) -> None:
    said = installed[distribution.name].run("python", "-c", IMPORT_ALL, distribution.package)

    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout.splitlines()[-1])
    assert told["broken"] == {}
    of_extras = pins.needed(distribution.name, extras=pins.extras_of(distribution.name)) | {"dispatch-sdk"}
    of_extras |= pins.needed("dispatch-sdk", extras=pins.extras_of("dispatch-sdk"))
    assert {module: name for module, name in told["lacks"].items() if not _packages(name) & of_extras} == {}


def _packages(imported: str) -> set[str]:
    """Give the packages that a name may be imported from."""
    first = imported.partition(".")[0]
    return {canonicalize_name(name) for name in metadata.packages_distributions().get(first, [first])}


@pytest.mark.parametrize("distribution", WITH_A_PROGRAM, ids=[one.name for one in WITH_A_PROGRAM])
def test_the_program_runs_and_says_its_version(installed: Mapping[str, Installed], distribution: Distribution) -> None:
    assert distribution.program is not None

    said = installed[distribution.name].run(distribution.program, "--version")

    assert (said.returncode, said.stdout, said.stderr) == (0, f"{distribution.program} {version()}\n", "")


@pytest.mark.parametrize(("word", "code"), [("status", 0), ("doctor", 4)])  # the doctor finds that nobody has signed in
def test_a_host_that_was_just_installed_tells_how_it_is(
    installed: Mapping[str, Installed], word: str, code: int
) -> None:
    said = installed["dispatch-host"].run("dispatch-host", "--json", word)

    assert "Traceback" not in said.stderr
    assert said.returncode == code, said
    assert all(json.loads(line) for line in said.stdout.splitlines())
    assert said.stdout
