"""What a hash-checked requirements file says, line for line, and which of its lines one distribution needs here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class Pin:
    """One requirement: exactly one version, and the files that it may be."""

    name: str
    version: str
    marker: str
    """Where it is needed; empty for everywhere."""
    sha256: tuple[str, ...]
    lines: str
    """As it stands in the file."""


_PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)$",
    re.MULTILINE,
)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def read(path: Path) -> list[Pin]:
    """Read a file. Raises ValueError for a line that is not pinned with hashes."""
    text = path.read_text()
    rest = [line for line in _PIN.sub("", text).splitlines() if line and not line.startswith("#")]
    if rest:
        raise ValueError(f"{path.name}: not pinned with hashes: {rest[0]}")
    return [
        Pin(one["name"], one["version"], one["marker"] or "", tuple(_HASH.findall(one["hashes"])), one[0])
        for one in _PIN.finditer(text)
    ]


def needed(distribution: str, *, extras: Iterable[str] = ()) -> frozenset[str]:
    """Give the names of all that a distribution needs on this computer, itself left out, by what is installed in this Python.

    What is needed and not installed is named, and not looked behind.
    """
    found: set[tuple[str, str]] = set()
    rest = [(distribution, extra) for extra in ("", *extras)]
    while rest:
        name, extra = rest.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for words in _requires(name):
            requirement = Requirement(words)
            if requirement.marker is None and extra:
                continue
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                other = canonicalize_name(requirement.name)
                rest += [(other, wanted) for wanted in ("", *requirement.extras)]
    return frozenset(name for name, _ in found) - {distribution}


def extras_of(distribution: str) -> tuple[str, ...]:
    """Give the names of the extras of an installed distribution."""
    return tuple(metadata.metadata(distribution).get_all("Provides-Extra") or ())


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
