"""`make wheels`: the wheels of the five distributions, built twice, and the same bytes both times or none at all.

Whoever has the commit can so find out that a wheel was made of it. `build` is also what the tests of installed wheels stand on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.release.places import DISTRIBUTIONS, ROOT

INTO = ROOT / "out" / "wheels"
SUMS = "SHA256SUMS"


def commit_time(root: Path = ROOT) -> int:
    """Give the time of the last commit, seconds since 1970: what every file in a wheel is dated."""
    return int(_git(root, "log", "-1", "--format=%ct"))


def copy_sources(root: Path, into: Path) -> None:
    """Copy the distributions' files that git knows: nothing that lies beside them gets into a wheel."""
    for name in _git(root, "ls-files", "-z", "--", *(one.folder for one in DISTRIBUTIONS)).split("\0"):
        if name and (root / name).exists():  # not one that is deleted, and not committed yet
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, into / name)


def build(sources: Path, into: Path, *, epoch: int, hash_seed: int = 0) -> list[Path]:
    """Build the five wheels, dated `epoch` (seconds since 1970). Raises ValueError when one can't be built."""
    surroundings = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": str(hash_seed)}
    for one in DISTRIBUTIONS:
        words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
        built = subprocess.run(words, cwd=sources / one.folder, env=surroundings, check=False, capture_output=True)
        if built.returncode != 0:
            raise ValueError(f"{one.name} can't be built: {built.stderr.decode(errors='replace')}")
    return sorted(into.glob("*.whl"))


def digests(wheels: list[Path]) -> dict[str, str]:
    """Give the SHA-256 of each file by its name."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in wheels}


def differing(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Give the names whose digests are not the same in both, or that only one has."""
    return sorted(name for name in {*first, *second} if first.get(name) != second.get(name))


def built_twice(root: Path, into: Path) -> dict[str, str]:
    """Build in two folders that have nothing in common, with other orders of sets and another umask, and compare.

    Gives the digests of what is then in `into`. Raises ValueError, and leaves nothing there, when a wheel is not the same twice.
    """
    epoch, outcomes = commit_time(root), []
    with tempfile.TemporaryDirectory(prefix="first") as first, tempfile.TemporaryDirectory(prefix="another-") as second:
        for place, umask, hash_seed in ((Path(first), 0o022, 1), (Path(second) / "deeper", 0o077, 2)):
            before = os.umask(umask)
            try:
                copy_sources(root, place / "sources")
                outcomes.append(build(place / "sources", place / "wheels", epoch=epoch, hash_seed=hash_seed))
            finally:
                os.umask(before)
        made, again = (digests(wheels) for wheels in outcomes)
        shutil.rmtree(into, ignore_errors=True)
        if differing(made, again) or len(made) != len(DISTRIBUTIONS):
            raise ValueError(
                f"built twice, these are not the same: {', '.join(differing(made, again)) or sorted(made)}"
            )
        into.mkdir(parents=True)
        for wheel in outcomes[0]:
            shutil.copyfile(wheel, into / wheel.name)
    return made


def main() -> int:
    """Build, compare, print SHA256SUMS, which also stands beside the wheels."""
    try:
        made = built_twice(ROOT, INTO)
    except ValueError as difference:
        print(difference, file=sys.stderr)
        return 1
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(made.items()))
    (INTO / SUMS).write_text(lines)
    print(lines, end="")
    if _git(ROOT, "status", "--porcelain", "--", *(one.folder for one in DISTRIBUTIONS)):
        print("These hold changes that are not committed: they are nobody's release.", file=sys.stderr)
    return 0


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
