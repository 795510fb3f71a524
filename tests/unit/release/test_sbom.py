"""What an image is made of is what its requirements say, line for line. That the schema agrees, `make sbom` checks in `.ci/run`."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from deploy.release import licences, pins, sbom
from deploy.release.places import IMAGES, ROOT, version

AT = datetime(2026, 11, 27, tzinfo=UTC)
EACH = pytest.mark.parametrize("image", IMAGES)


@EACH
def test_the_components_are_the_lines_of_the_requirements_and_our_own(image: str) -> None:
    bom = sbom.of_image(image, policy=licences.read_policy(), released_at=AT)

    lines = {(one.name, one.version) for one in pins.read(ROOT / "requirements" / f"{image}.txt")}
    assert {(one["name"], one["version"]) for one in bom["components"]} == lines | {
        (name, version()) for name in IMAGES[image]
    }


@EACH
def test_each_component_of_others_has_its_hashes_and_its_licence(image: str) -> None:
    bom = sbom.of_image(image, policy=licences.read_policy(), released_at=AT)

    hashes = {one.name: list(one.sha256) for one in pins.read(ROOT / "requirements" / f"{image}.txt")}
    others = [one for one in bom["components"] if one["name"] not in IMAGES[image]]
    assert {one["name"]: [each["content"] for each in one["hashes"]] for one in others} == hashes
    assert all(one["licenses"] for one in others)
    assert len({one["bom-ref"] for one in bom["components"]}) == len(bom["components"])


def test_what_is_needed_only_somewhere_says_where() -> None:
    bom = sbom.of_image("host", policy=licences.read_policy(), released_at=AT)

    (colorama,) = (one for one in bom["components"] if one["name"] == "colorama")
    assert colorama["properties"] == [{"name": "dispatch:marker", "value": "sys_platform == 'win32'"}]


def test_the_web_phone_is_made_of_what_its_lock_file_says() -> None:
    bom = sbom.of_web_phone(released_at=AT)

    assert {one["name"] for one in bom["components"]} == {one.name for one in licences.npm_packages()}
    (scoped,) = (one for one in bom["components"] if one["name"] == "@noble/ciphers")
    assert scoped["purl"].startswith("pkg:npm/%40noble/ciphers@")
    assert [(one["alg"], len(one["content"])) for one in scoped["hashes"]] == [("SHA-512", 128)]


def test_the_same_commit_gives_the_same_description() -> None:
    policy = licences.read_policy()

    assert json.dumps(sbom.of_image("relay", policy=policy, released_at=AT)) == json.dumps(
        sbom.of_image("relay", policy=policy, released_at=AT)
    )
    assert "serialNumber" not in sbom.of_image("relay", policy=policy, released_at=AT)
