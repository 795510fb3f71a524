"""CHANGELOG.md as sections, and how what is not released becomes one of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from deploy.release import prepare
from deploy.release.changelog import BadChangelog, Section, numbers, released, sections
from deploy.release.places import ROOT, VERSIONS, version, versions

DAY = date(2026, 12, 1)
BEFORE = "# Changes\n\nWords.\n\n## Unreleased\n\n- New.\n\n## 0.1.0 (2026-11-27)\n\n- First.\n"


def test_the_newest_section_of_ours_is_this_version_or_unreleased() -> None:
    found = sections((ROOT / "CHANGELOG.md").read_text())

    released_ones = [one.version for one in found if one.version is not None]
    assert found[0].version in {None, version()}
    assert released_ones[:1] in ([], [version()])
    assert all(one.body for one in found)


def test_sections_are_read() -> None:
    assert sections(BEFORE) == [Section(None, "- New."), Section("0.1.0", "- First.")]


def test_what_is_not_released_becomes_the_section_of_the_version() -> None:
    after = released(BEFORE, "0.2.0", DAY)

    assert after == BEFORE.replace("## Unreleased", "## 0.2.0 (2026-12-01)")
    assert [one.version for one in sections(after)] == ["0.2.0", "0.1.0"]


@pytest.mark.parametrize(
    ("text", "version_wanted"),
    [
        (BEFORE, "0.1.0"),  # is released
        (BEFORE, "0.0.9"),  # is older
        (BEFORE.replace("- New.\n\n", ""), "0.2.0"),  # there is nothing to release
        (BEFORE.replace("## Unreleased\n\n- New.\n\n", ""), "0.2.0"),
        ("# Changes\n", "0.2.0"),
        (BEFORE, "0.2"),
        (BEFORE, "v0.2.0"),
        (BEFORE, "00.2.0"),
    ],
)
def test_what_is_no_next_release_is_none(text: str, version_wanted: str) -> None:
    with pytest.raises(BadChangelog):
        released(text, version_wanted, DAY)


@pytest.mark.parametrize(
    "text",
    [
        "## 0.1.0\n\n- No day.\n",
        "## Soon\n\n- What?\n",
        "## 0.1.0 (2026-11-27)\n\n- One.\n\n## Unreleased\n\n- Below.\n",
        "## 0.1.0 (2026-11-27)\n\n- One.\n\n## 0.2.0 (2026-11-28)\n\n- Newer, and below.\n",
        "## 0.1.0 (2026-11-27)\n\n- One.\n\n## 0.1.0 (2026-11-27)\n\n- Twice.\n",
    ],
)
def test_a_changelog_that_is_not_laid_out_so_is_refused(text: str) -> None:
    with pytest.raises(BadChangelog):
        sections(text)


def test_versions_are_compared_as_numbers() -> None:
    assert numbers("0.10.0") > numbers("0.9.9")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Give a folder with the files that say the version, and a changelog."""
    for name, line in VERSIONS.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("before\n" + line.format("0.1.0") + "after\n")
    (tmp_path / "CHANGELOG.md").write_text(BEFORE)
    return tmp_path


def test_a_release_is_prepared_in_each_place_that_says_the_version(repository: Path) -> None:
    prepare.prepare("0.2.0", root=repository, today=DAY)

    assert set(versions(repository).values()) == {"0.2.0"}
    assert "## 0.2.0 (2026-12-01)" in (repository / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("wanted", ["0.0.1", "0.1.0"])
def test_a_release_that_is_none_changes_nothing(repository: Path, wanted: str) -> None:
    with pytest.raises(BadChangelog):
        prepare.prepare(wanted, root=repository, today=DAY)

    assert set(versions(repository).values()) == {"0.1.0"}
    assert (repository / "CHANGELOG.md").read_text() == BEFORE


def test_the_first_release_may_have_the_version_that_is_there(repository: Path) -> None:
    (repository / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n\n- First.\n")

    prepare.prepare("0.1.0", root=repository, today=DAY)

    assert "## 0.1.0 (2026-12-01)" in (repository / "CHANGELOG.md").read_text()
