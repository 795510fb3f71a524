"""What dpkg says of an image is read as dpkg means it, and stands in its bill of materials. With a real image: tests/compose."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.release import debian, licences, sbom
from deploy.release.places import IMAGES

AT = datetime(2026, 11, 27, tzinfo=UTC)
STATUS = """\
Package: libexample++6
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: same
Source: example (2:1.4.0-3)
Version: 2:1.4.0-3+b1
Conffiles:
 /etc/example.conf 00000000000000000000000000000000
Description: a library
 Version: 9 of this line is no field,
 .
 nor is that: of the line before.

Package: tidy
Status: install ok installed
Architecture: all
Version: 1.0~rc1-1

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 3-1

Package: never
Status: purge ok not-installed
Architecture: amd64

package: awaited
status: install ok triggers-awaited
architecture: amd64
version: 5-1
source: later
"""


def test_what_has_files_in_the_image_is_read_whatever_state_it_is_in() -> None:
    assert debian.read_status(STATUS) == [
        debian.Package("awaited", "amd64", "5-1", "later", "5-1"),
        debian.Package("libexample++6", "amd64", "2:1.4.0-3+b1", "example", "2:1.4.0-3"),
        debian.Package("tidy", "all", "1.0~rc1-1", "tidy", "1.0~rc1-1"),
    ]


def test_an_empty_list_is_one_without_packages() -> None:
    assert debian.read_status("\n\n") == []


@pytest.mark.parametrize(
    "said", ["<html>\n", "Package: a\n", "Package: a\nStatus: installed\nVersion: 1\nArchitecture: all\n"]
)
def test_what_is_no_list_of_dpkg_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="lacks what each has"):
        debian.read_status(said)


def test_each_package_of_the_system_is_a_component_with_its_address_and_its_source() -> None:
    system = debian.read_status(STATUS)
    policy = licences.read_policy()
    without, bom = (sbom.of_image("web", policy=policy, released_at=AT, system=said) for said in ((), system))

    known = {one["bom-ref"] for one in without["components"]}
    added = [one for one in bom["components"] if one["bom-ref"] not in known]
    assert [one["purl"] for one in added] == [
        "pkg:deb/debian/awaited@5-1?arch=amd64",
        "pkg:deb/debian/libexample%2B%2B6@2:1.4.0-3%2Bb1?arch=amd64",
        "pkg:deb/debian/tidy@1.0~rc1-1?arch=all",
    ]
    assert [(one["name"], one["version"]) for one in added] == [(one.name, one.version) for one in system]
    assert added[1]["properties"] == [{"name": "dispatch:source", "value": "example 2:1.4.0-3"}]
    assert len(bom["components"]) == len(known) + len(system)


def test_a_description_without_the_system_says_that_it_is_missing() -> None:
    policy, system = licences.read_policy(), debian.read_status(STATUS)

    for image in IMAGES:
        assert sbom.of_image(image, policy=policy, released_at=AT)["metadata"]["properties"] == [
            {"name": "dispatch:system", "value": "the Debian packages of this image are not in this list"}
        ]
        assert "properties" not in sbom.of_image(image, policy=policy, released_at=AT, system=system)["metadata"]


def test_an_image_of_debian_alone_is_described_by_its_packages() -> None:
    bom = sbom.of_image("nats", policy=licences.read_policy(), released_at=AT, system=debian.read_status(STATUS))

    assert bom["metadata"]["component"]["name"] == "dispatch-nats-image"
    assert [one["name"] for one in bom["components"]] == ["awaited", "libexample++6", "tidy"]


def engine(folder: Path, script: str) -> str:
    """Make a program in the place of the engine's."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_without_an_engine_nothing_is_listed_and_it_is_said_why(tmp_path: Path) -> None:
    stopped = engine(tmp_path, "echo 'Cannot connect to the daemon' >&2; exit 1")

    assert debian.packages_of("relay", docker=None, root=tmp_path).why_not == "there is no container engine"
    assert debian.packages_of("relay", docker=stopped, root=tmp_path) == debian.Listed(
        why_not="no container engine runs"
    )


def test_an_image_that_can_not_be_built_is_said_with_the_engines_last_word(tmp_path: Path) -> None:
    docker = engine(tmp_path, 'test "$1" = version || { echo one >&2; echo "dist: not found" >&2; exit 1; }')

    listed = debian.packages_of("web", docker=docker, root=tmp_path)

    assert listed == debian.Listed(why_not="the image can't be built or read: dist: not found")


@pytest.mark.parametrize("archive", ["echo no archive", "tar c -C {folder} other", "tar c -C {folder} status"])
def test_an_image_without_dpkgs_list_is_said_to_have_none_and_its_container_is_removed(
    tmp_path: Path, archive: str
) -> None:
    for name in ("other", "status"):
        (tmp_path / name).touch()
    copy = archive.format(folder=tmp_path)
    docker = engine(tmp_path, f'echo "$1 $2" >>{tmp_path}/asked; case "$1" in cp) {copy} ;; *) echo made ;; esac')

    listed = debian.packages_of("web", docker=docker, root=tmp_path)

    assert debian.STATUS in listed.why_not
    assert (tmp_path / "asked").read_text().splitlines()[-1] == "rm --force"
