"""`make release VERSION=1.2.3`: the version and the changelog of a release, as changes to be looked at. Commits and tags nothing.

The Makefile then runs the checks; at the end of them stands what is left to do by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from deploy.release import changelog, places


def prepare(version: str, *, root: Path, today: date) -> None:
    """Write version and changelog. Raises BadChangelog, having written nothing, when this is no next release."""
    current = places.version(root)
    if changelog.numbers(version) < changelog.numbers(current):
        raise changelog.BadChangelog(f"{version} is older than {current}, which is the version now")
    path = root / "CHANGELOG.md"
    text = changelog.released(path.read_text(), version, today)
    places.write_version(version, root)
    path.write_text(text)


def unclean(root: Path) -> list[str]:
    """Give the files that differ from the last commit, or are not in it."""
    said = subprocess.run(["git", "status", "--porcelain"], cwd=root, check=True, capture_output=True, text=True)
    return said.stdout.splitlines()


def left_to_do(version: str) -> str:
    """Say what a person does once the checks have passed."""
    return (
        f"Dispatch {version} is prepared and checked. What is left:\n"
        "  make contract release-contract        later protos are held against these\n"
        f"  git commit --all --message 'Release: {version}'\n"
        f"  git tag --annotate v{version} --message 'Dispatch {version}'\n"
        "  make wheels sbom        from the commit that is tagged: its time is in the wheels"
    )


def main(words: list[str]) -> int:
    """Prepare the version that is named; behind `--checked` say what is left to do."""
    if words[:1] == ["--checked"]:
        print(left_to_do(words[1]))
        return 0
    if len(words) != 1 or re.fullmatch(r"[0-9.]+", words[0]) is None:
        print("which version? make release VERSION=1.2.3", file=sys.stderr)
        return 2
    if changed := unclean(places.ROOT):
        print("a release is made of what is committed; these files are not:", *changed, sep="\n  ", file=sys.stderr)
        return 1
    try:
        prepare(words[0], root=places.ROOT, today=datetime.now(UTC).date())
    except changelog.BadChangelog as mistake:
        print(mistake, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
