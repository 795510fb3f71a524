"""`make sbom`: what each image and the web phone are made of, as CycloneDX.

Python's and npm's packages come from what is pinned, and the same commit gives the same bytes. Debian's are asked of the image
itself, which takes a container engine: they are those of the day it was built. A file without them says so. Each file is held
against the schema of CycloneDX before it is written. Licences are those of `licences`. A Python package has the hash of every
file that it may be installed from, as its line of requirements has.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy.release import debian, licences, pins, spdx
from deploy.release.places import IMAGES, OF_DEBIAN, ROOT, version
from deploy.release.wheels import commit_time

INTO = ROOT / "out" / "sbom"
WEB_PHONE = "dispatch-web-phone"
_MARKER, _SOURCE, _SYSTEM = "dispatch:marker", "dispatch:source", "dispatch:system"
_NOT_LISTED = "the Debian packages of this image are not in this list"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def of_image(
    image: str,
    *,
    policy: licences.Policy,
    root: Path = ROOT,
    released_at: datetime,
    system: Sequence[debian.Package] = (),
) -> dict[str, Any]:
    """Describe what is in an image: our distributions, each line of its requirements, and the `system`, which may be unknown."""
    ours = [_component("pypi", name, version(root), licence="") for name in IMAGES.get(image, ())]
    others = [
        _component(
            "pypi",
            pin.name,
            pin.version,
            licence=licences.licence_of(pin.name, policy),
            hashes=[("SHA-256", one) for one in pin.sha256],
            marker=pin.marker,
        )
        for pin in (pins.read(root / "requirements" / f"{image}.txt") if image in IMAGES else ())
    ]
    components = [*ours, *others, *(_of_debian(one) for one in system)]
    bom = _bom(f"dispatch-{image}-image", "container", version(root), components, released_at)
    if not system:
        bom["metadata"]["properties"] = [{"name": _SYSTEM, "value": _NOT_LISTED}]
    return bom


def of_web_phone(*, root: Path = ROOT, released_at: datetime) -> dict[str, Any]:
    """Describe what the web phone is built from."""
    packages = json.loads((root / licences.LOCK.relative_to(ROOT)).read_text())["packages"]
    parts = [
        _component(
            "npm",
            path.rpartition("node_modules/")[2],
            one["version"],
            licence=one.get("license", spdx.UNKNOWN),
            hashes=[_integrity(one["integrity"])],
        )
        for path, one in packages.items()
        if path and not one.get("dev", False)
    ]
    return _bom(WEB_PHONE, "application", version(root), parts, released_at)


def written(bom: Mapping[str, Any]) -> str:
    """Give the text of a description. Raises ValueError when it is not as CycloneDX has it."""
    # Only `make sbom` and its test have it installed, in .venv beside everything else.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    text = json.dumps(bom, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if (mistake := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ValueError(f"not as the schema has it: {mistake}")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write them all."""
    parser = argparse.ArgumentParser(prog="make sbom")
    parser.add_argument("--no-images", action="store_true", help="build no image: Debian's packages are left out")
    said = parser.parse_args(arguments)
    policy, released_at = licences.read_policy(), datetime.fromtimestamp(commit_time(), UTC)
    boms = []
    for image in (*IMAGES, *OF_DEBIAN):
        system = (
            debian.Listed(why_not="not asked for")
            if said.no_images
            else debian.packages_of(image, docker=shutil.which("docker"), root=ROOT)
        )
        if not system.packages:
            print(f"{image}: Debian's packages are not listed: {system.why_not}")
        if system.packages or image in IMAGES:  # of the others there is nothing else to tell
            boms.append(of_image(image, policy=policy, released_at=released_at, system=system.packages))
    INTO.mkdir(parents=True, exist_ok=True)
    for old in INTO.glob("*.cdx.json"):  # one of an image that can't be told today is not today's
        old.unlink()
    for bom in [*boms, of_web_phone(released_at=released_at)]:
        path = INTO / f"{bom['metadata']['component']['name']}.cdx.json"
        path.write_text(written(bom))
        print(f"{path.relative_to(ROOT)}: {len(bom['components'])} components")
    return 0


def _bom(
    name: str, kind: str, released: str, components: Iterable[dict[str, Any]], released_at: datetime
) -> dict[str, Any]:
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": released_at.isoformat(),
            "component": {"type": kind, "bom-ref": name, "name": name, "version": released},
        },
        "components": sorted(components, key=lambda one: str(one["bom-ref"])),
    }


def _component(
    kind: str,
    name: str,
    released: str,
    *,
    licence: str,
    hashes: Iterable[tuple[str, str]] = (),
    marker: str = "",
) -> dict[str, Any]:
    purl = f"pkg:{kind}/{quote(name, safe='/')}@{quote(released, safe='')}"
    said: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": released, "purl": purl}
    if listed := [{"alg": algorithm, "content": content} for algorithm, content in hashes]:
        said["hashes"] = listed
    if licence:
        plain = " " not in licence
        said["licenses"] = [{"license": {"id": licence}}] if plain else [{"expression": licence}]
    if marker:
        said["properties"] = [{"name": _MARKER, "value": marker}]
    return said


def _of_debian(package: debian.Package) -> dict[str, Any]:
    """Describe a package of the system. Its licence is in the image, and not here."""
    # As the scheme of these addresses has it, the colon of an epoch stays what it is.
    released = quote(package.version, safe=":")
    purl = f"pkg:deb/debian/{quote(package.name, safe='')}@{released}?arch={package.architecture}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "properties": [{"name": _SOURCE, "value": f"{package.source} {package.source_version}"}],
    }


def _integrity(said: str) -> tuple[str, str]:
    """Read "sha512-<base64>" of a lock file."""
    algorithm, _, encoded = said.partition("-")
    return _ALGORITHMS[algorithm], base64.b64decode(encoded, validate=True).hex()


if __name__ == "__main__":
    sys.exit(main())
