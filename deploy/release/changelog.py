"""CHANGELOG.md as sections: one a version, newest first, what is not released on top. Pure. Called by `prepare`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

UNRELEASED = "Unreleased"
_TITLE = re.compile(r"^## (.+)$", re.MULTILINE)
_RELEASED = re.compile(r"(\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)")


class BadChangelog(ValueError):
    """The text is not laid out as a changelog, or has nothing to release; the words say which."""


@dataclass(frozen=True, slots=True)
class Section:
    """What changed in one version."""

    version: str | None
    """None for what is not released."""
    body: str


def sections(text: str) -> list[Section]:
    """Give the sections, newest first. Raises BadChangelog for titles that are neither a version nor Unreleased, or in no order."""
    _, *parts = _TITLE.split(text)
    found = [Section(_version(title), body.strip()) for title, body in zip(parts[::2], parts[1::2], strict=True)]
    versions = [numbers(one.version) for one in found if one.version is not None]
    if any(one.version is None for one in found[1:]):
        raise BadChangelog(f"{UNRELEASED} stands below a version")
    if versions != sorted(set(versions), reverse=True):
        raise BadChangelog("the versions are not in order, newest first")
    return found


def released(text: str, version: str, day: date) -> str:
    """Give the text with what is not released as the section of a version.

    Raises BadChangelog when there is nothing to release, or the version is not newer than those that are.
    """
    found = sections(text)
    if not found or found[0].version is not None or not found[0].body:
        raise BadChangelog(f"the newest section is not {UNRELEASED}, or says nothing: there is nothing to release")
    if len(found) > 1 and numbers(version) <= numbers(found[1].version or ""):
        raise BadChangelog(f"{version} is not newer than {found[1].version}, which is released")
    return text.replace(f"## {UNRELEASED}\n", f"## {version} ({day.isoformat()})\n", 1)


def numbers(version: str) -> tuple[int, ...]:
    """Read "1.2.3". Raises BadChangelog."""
    if re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version) is None:
        raise BadChangelog(f"{version!r} is not a version: three numbers, as in 1.2.3")
    return tuple(int(part) for part in version.split("."))


def _version(title: str) -> str | None:
    if title == UNRELEASED:
        return None
    if (found := _RELEASED.fullmatch(title)) is None:
        raise BadChangelog(
            f"the section {title!r} is neither {UNRELEASED} nor a version with its day, 1.2.3 (2026-11-27)"
        )
    numbers(found[1])
    return found[1]
