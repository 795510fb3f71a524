"""What people get from us is under licences that deploy/release/licences.toml allows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.release import licences, spdx
from deploy.release.licences import Finding, Package, Policy

POLICY = Policy(
    allowed=frozenset({"MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"}),
    exceptions={"odd": ("MPL-2.0", "because")},
    stated={"elsewhere": "MIT"},
)


def test_all_that_people_get_from_us_is_allowed() -> None:
    policy = licences.read_policy()
    packages = [*licences.python_packages(policy), *licences.npm_packages()]

    assert [one for one in licences.judge(packages, policy) if one.wrong] == []
    assert licences.stale(packages, policy) == []


def test_the_list_has_what_images_extras_and_the_web_phone_bring() -> None:
    policy = licences.read_policy()
    names = {one.name for one in licences.python_packages(policy)}

    assert {"grpcio", "asyncpg", "pywebpush", "python-xlib", "playwright"} <= names
    assert not names & {"pytest", "mypy", "dispatch-sdk"}
    assert {"preact", "@noble/ciphers"} <= {one.name for one in licences.npm_packages()}
    assert "vite" not in {one.name for one in licences.npm_packages()}


def test_each_exception_has_a_reason() -> None:
    assert all(len(reason) > 20 for _, reason in licences.read_policy().exceptions.values())


@pytest.mark.parametrize(
    ("name", "licence", "wrong"),
    [
        ("one", "MIT", ""),
        ("one", "GPL-3.0-only", "is not allowed"),
        ("one", "", "says no licence"),
        ("odd", "MPL-2.0", ""),
        ("odd", "GPL-3.0-only", "is excepted for MPL-2.0"),
        ("odd", "", "says no licence"),
    ],
)
def test_a_package_is_judged(name: str, licence: str, wrong: str) -> None:
    (found,) = licences.judge([Package("python", name, "1.0", licence)], POLICY)

    assert isinstance(found, Finding)
    assert found.wrong.startswith(wrong) if wrong else not found.wrong


def test_what_the_policy_says_of_packages_that_are_gone_is_named() -> None:
    assert licences.stale([Package("python", "odd", "1.0", "MPL-2.0")], POLICY) == ["elsewhere"]


def test_a_package_that_is_not_installed_and_of_which_nothing_is_stated_has_no_licence() -> None:
    assert licences.licence_of("elsewhere", POLICY) == "MIT"
    assert licences.licence_of("dispatch-no-such-package", POLICY) == spdx.UNKNOWN


def test_what_only_developers_need_of_npm_is_left_out(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    packages = {
        "": {"name": "us"},
        "node_modules/one": {"version": "1.0.0", "license": "MIT"},
        "node_modules/one/node_modules/@some/two": {"version": "2.0.0"},
        "node_modules/tool": {"version": "3.0.0", "license": "MIT", "dev": True},
    }
    lock.write_text(json.dumps({"packages": packages}))

    assert licences.npm_packages(lock) == [
        Package("npm", "@some/two", "2.0.0", ""),
        Package("npm", "one", "1.0.0", "MIT"),
    ]


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT", True),
        ("MPL-2.0", False),
        ("MPL-2.0 OR MIT", True),
        ("MPL-2.0 AND MIT", False),
        ("MIT AND Apache-2.0", True),
        ("MIT AND (MPL-2.0 OR Apache-2.0)", True),
        ("MPL-2.0 AND MIT OR Apache-2.0", True),  # AND binds more than OR
        ("(MPL-2.0 OR MIT) AND GPL-3.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only", False),
    ],
)
def test_an_expression_is_allowed_when_one_of_its_ways_is(expression: str, *, verdict: bool) -> None:
    assert spdx.allows(POLICY.allowed, expression) is verdict


@pytest.mark.parametrize("expression", ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT Apache-2.0", "MIT OR OR MIT"])
def test_an_expression_that_makes_no_sense_allows_nothing(expression: str) -> None:
    with pytest.raises(ValueError, match="no SPDX expression"):
        spdx.allows(POLICY.allowed, expression)


@pytest.mark.parametrize(
    ("expression", "classifiers", "words", "licence"),
    [
        ("MIT", ["License :: OSI Approved :: BSD License"], "Apache", "MIT"),
        (None, ["License :: OSI Approved", "License :: OSI Approved :: BSD License"], None, "BSD-3-Clause"),
        (
            None,
            ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD License"],
            "",
            "BSD-3-Clause AND MIT",
        ),
        (None, ["License :: OSI Approved :: MIT License", "License :: Other"], "", ""),
        (None, [], "Apache License 2.0", "Apache-2.0"),
        (None, [], "see the file", ""),
        (None, [], None, ""),
    ],
)
def test_what_a_package_says_in_its_three_ways_is_one_expression(
    expression: str | None, classifiers: list[str], words: str | None, licence: str
) -> None:
    assert spdx.said(expression=expression, classifiers=classifiers, words=words) == licence
