"""Licences by their SPDX names: what a package says, in any of three ways, as one expression, and whether that is allowed. Pure."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence

UNKNOWN = ""

_CLASSIFIERS: Mapping[str, str] = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""What the trove calls it. "BSD License" does not say which one; all of them allow the same to whoever passes it on."""

_WORDS: Mapping[str, str] = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "isc": "ISC",
    "mit": "MIT",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mpl-2.0": "MPL-2.0",
    "mpl2": "MPL-2.0",
    "apache-2.0": "Apache-2.0",
    "psf": "PSF-2.0",
}

_TOKEN = re.compile(r"\(|\)|[^\s()]+")


def said(*, expression: str | None, classifiers: Sequence[str], words: str | None) -> str:
    """Give the SPDX expression of what a package says of itself: its expression, else classifiers, else words; UNKNOWN if unclear.

    Several classifiers may mean all of them or one of them; taken is the stricter.
    """
    if expression:
        return expression
    trove = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: ")]
    named = sorted({_CLASSIFIERS.get(one, UNKNOWN) for one in trove if one != "OSI Approved"})
    if named and UNKNOWN not in named:
        return " AND ".join(named)
    return _WORDS.get((words or "").strip().lower(), UNKNOWN)


def allows(allowed: Container[str], expression: str) -> bool:
    """Tell whether a policy that allows these licences allows an expression. Raises ValueError for one that makes no sense."""
    rest = _TOKEN.findall(expression)
    verdict = _either(rest, allowed)
    if rest:
        raise ValueError(f"no SPDX expression: {expression!r}")
    return verdict


def _either(rest: list[str], allowed: Container[str]) -> bool:
    verdict = _both(rest, allowed)
    while rest[:1] == ["OR"]:
        rest.pop(0)
        verdict = _both(rest, allowed) or verdict
    return verdict


def _both(rest: list[str], allowed: Container[str]) -> bool:
    verdict = _one(rest, allowed)
    while rest[:1] == ["AND"]:
        rest.pop(0)
        verdict = _one(rest, allowed) and verdict
    return verdict


def _one(rest: list[str], allowed: Container[str]) -> bool:
    if not rest or rest[0] in {")", "AND", "OR", "WITH"}:
        raise ValueError("no SPDX expression: a licence is missing")
    name = rest.pop(0)
    if name == "(":
        verdict = _either(rest, allowed)
        if rest[:1] != [")"]:
            raise ValueError("no SPDX expression: a bracket is not closed")
        rest.pop(0)
        return verdict
    if rest[:1] == ["WITH"]:
        name = " ".join([name, *rest[:2]])
        del rest[:2]
    return name in allowed
