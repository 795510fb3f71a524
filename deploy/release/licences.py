"""`make licences`: the licences of what people get from us beside our own code; does deploy/release/licences.toml allow them?

Looked at is what the images hold, every extra of our distributions, and the packages that the web phone is built from. Tools that
only developers run are not: nobody gets them from us.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from deploy.release import pins, spdx
from deploy.release.places import DISTRIBUTIONS, IMAGES, ROOT

POLICY = ROOT / "deploy" / "release" / "licences.toml"
LOCK = ROOT / "clients" / "web_phone" / "package-lock.json"
_OURS = frozenset(one.name for one in DISTRIBUTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be passed on. Each exception and each licence that was looked up by hand has its reason in the file."""

    allowed: frozenset[str]
    exceptions: Mapping[str, tuple[str, str]]
    """By the package's name: its licence, which stays what it was, and why it is taken all the same."""
    stated: Mapping[str, str]
    """By the package's name: the licence of one that is not installed here, or does not say clearly."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One that people get from us."""

    ecosystem: str
    name: str
    version: str
    licence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A package, and why it may not be passed on; empty for may."""

    package: Package
    wrong: str


def read_policy(path: Path = POLICY) -> Policy:
    """Read the policy. Raises KeyError and ValueError for a file that is none."""
    said = tomllib.loads(path.read_text())
    return Policy(
        allowed=frozenset(said["allowed"]),
        exceptions={name: (one["licence"], one["reason"]) for name, one in said["exceptions"].items()},
        stated=dict(said["stated"]),
    )


def licence_of(name: str, policy: Policy) -> str:
    """Give the SPDX expression of a Python package: what the policy states, else what it says itself; UNKNOWN for neither."""
    if name in policy.stated:
        return policy.stated[name]
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return spdx.UNKNOWN
    return spdx.said(
        expression=_first(about.get_all("License-Expression")),
        classifiers=about.get_all("Classifier") or (),
        words=_first(about.get_all("License")),
    )


def python_packages(policy: Policy, root: Path = ROOT) -> list[Package]:
    """Give what the images hold and what any extra brings."""
    versions = {
        pin.name: pin.version
        for name in (*IMAGES, "browser")
        for pin in pins.read(root / "requirements" / f"{name}.txt")
    }
    everywhere = {pin.name: pin.version for pin in pins.read(root / "requirements" / "dev.txt")}
    for one in DISTRIBUTIONS:
        for name in pins.needed(one.name, extras=pins.extras_of(one.name)) - _OURS:
            versions.setdefault(name, everywhere.get(name, ""))
    return sorted(Package("python", name, version, licence_of(name, policy)) for name, version in versions.items())


def npm_packages(lock: Path = LOCK) -> list[Package]:
    """Give what is built into the web phone: everything in the lock file but what only developers need."""
    packages = json.loads(lock.read_text())["packages"]
    return sorted(
        {
            Package("npm", path.rpartition("node_modules/")[2], one["version"], one.get("license", spdx.UNKNOWN))
            for path, one in packages.items()
            if path and not one.get("dev", False)
        }
    )


def judge(packages: Iterable[Package], policy: Policy) -> list[Finding]:
    """Hold each package against the policy."""
    return [Finding(one, _wrong(one, policy)) for one in packages]


def stale(packages: Iterable[Package], policy: Policy) -> list[str]:
    """Give what the policy says of packages that nobody gets from us any more."""
    return sorted({*policy.exceptions, *policy.stated} - {one.name for one in packages})


def _first(said: list[str] | None) -> str | None:
    return said[0] if said else None


def _wrong(package: Package, policy: Policy) -> str:
    if not package.licence:
        return "says no licence that is known here: look it up, and state it in deploy/release/licences.toml"
    if package.name in policy.exceptions:
        looked_at = policy.exceptions[package.name][0]
        return "" if package.licence == looked_at else f"is excepted for {looked_at}, which it is under no longer"
    return "" if spdx.allows(policy.allowed, package.licence) else "is not allowed"


def main() -> int:
    """Print the table, and say what is wrong. Gives 1 if anything is."""
    policy = read_policy()
    packages = [*python_packages(policy), *npm_packages()]
    findings, old = judge(packages, policy), stale(packages, policy)
    for one in findings:
        mark = "  (exception)" if one.package.name in policy.exceptions else ""
        print(
            f"{one.package.ecosystem:6}  {one.package.name:34}  {one.package.version:14}  {one.package.licence}{mark}"
        )
    wrong = [f"{one.package.name}: {one.package.licence or '?'} {one.wrong}" for one in findings if one.wrong]
    wrong += [f"{name}: stands in deploy/release/licences.toml, and nobody gets it any more" for name in old]
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    print(f"{len(findings)} packages, {len(wrong)} not as deploy/release/licences.toml has it")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
