"""What is in our images, and what must not be: no compiler, no rights to be had, no secret. Sizes are printed.

Looks at the images that `make up` of the other modules built, or builds them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from deploy.release import debian, licences, places, sbom
from tests.compose.stack import DOCKER, ROOT

pytestmark = pytest.mark.timeout(900)

IMAGES = (*places.IMAGES, *places.OF_DEBIAN)
BASE = "python:3.11-slim-bookworm"
BUNDLE = ROOT / "clients" / "web_phone" / "dist" / "bundle.json"
LOOK = r"""
find / -xdev -type f -perm /6000
echo ---
for name in cc gcc g++ clang ld as make cargo rustc go tcc; do command -v "$name" || true; done
echo ---
grep -rlI -e '-----BEGIN [A-Z ]*PRIVATE KEY-----' /etc /opt /root /home /var /usr/local /certs /keys 2>/dev/null \
    | grep -v -e /site-packages/ -e /dist-packages/ || true
echo ---
find / -xdev \( -name .netrc -o -name .pgpass -o -name .pypirc -o -name pip.conf -o -name '.*_history' -o -name '*.sqlite3' \) \
    -not -path '/usr/lib/*' 2>/dev/null || true
"""
"""Four lists, each of which is to be empty."""
SECRET = re.compile(r"(?i)(passw|secret|token|api_?key|credential)[a-z_]*\s*[=:]\s*\S")


def docker(*words: str) -> str:
    return subprocess.run([DOCKER, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, str]]:
    """Each image by its target."""
    tags = {target: f"dispatch-test-image-{target}" for target in IMAGES}
    if not BUNDLE.is_file():  # what the web phone's image holds; `make up WEB_TOO=1` of the other modules has made it
        subprocess.run(["make", "-C", str(ROOT), "phone-build"], check=True, capture_output=True)
    try:
        for target, tag in tags.items():
            docker(
                "build",
                "--quiet",
                "--file",
                str(ROOT / "deploy" / "Dockerfile"),
                "--target",
                target,
                "--tag",
                tag,
                str(ROOT),
            )
        yield tags
    finally:
        subprocess.run([DOCKER, "image", "rm", "--force", *tags.values()], check=False, capture_output=True)


@pytest.mark.parametrize("target", IMAGES)
def test_an_image_has_no_compiler_lends_no_rights_and_keeps_no_secret(images: dict[str, str], target: str) -> None:
    tag = images[target]
    (image,) = json.loads(docker("image", "inspect", tag))
    sys.stdout.write(f"{target}: {image['Size'] / 1e6:.0f} MB\n")

    # As root, who sees every file; the image itself starts nobody as root.
    found = docker("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "/bin/sh", tag, "-c", LOOK)
    who = docker("run", "--rm", "--network", "none", "--entrypoint", "id", tag, "-u")

    assert [part.split() for part in found.split("---\n")] == [[], [], [], []]
    assert who.strip() == "10001"
    assert image["Config"].get("Healthcheck") or target == "phone"
    said = [*image["Config"]["Env"], *docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", tag).splitlines()]
    assert not [line for line in said if SECRET.search(line)]


def test_the_web_phones_image_is_its_bundle_and_what_serves_it(images: dict[str, str]) -> None:
    tag = images["web"]
    sizes = [json.loads(docker("image", "inspect", name))[0]["Size"] for name in (tag, BASE)]
    isolated = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL")

    # Nothing that builds it, and no other service.
    listed = "for name in node npm dispatch-pairing dispatch-relay dispatch-host dispatch-phone; do command -v $name || true; done"
    assert docker(*isolated, "--entrypoint", "/bin/sh", tag, "-c", listed) == ""
    assert docker(*isolated, "--entrypoint", "cat", tag, "/opt/phone/bundle.json") == BUNDLE.read_text()
    # Whoever breaks in can't change what it serves: not root, and nothing of it is its user's.
    writable = "find /opt -xdev -not -type l -writable"
    assert docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", tag, "-c", writable) == ""
    assert "--service" in docker(*isolated, tag)
    assert sizes[0] - sizes[1] < 20_000_000


@pytest.mark.parametrize("target", ["web", "postgres"])
def test_the_bill_of_materials_lists_what_dpkg_says_is_in_an_image(images: dict[str, str], target: str) -> None:
    tag = images[target]
    columns = "${Package} ${Architecture} ${Version} ${source:Package} ${source:Version}\\n"

    packages = debian.packages_in(tag, docker=DOCKER)

    said = docker(
        "run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", tag, "--show", "--showformat", columns
    )
    assert packages == sorted(debian.Package(*line.split()) for line in said.splitlines())
    assert ("postgresql-15" in {one.name for one in packages}) is (target == "postgres")
    at = datetime(2026, 11, 27, tzinfo=UTC)
    bom = sbom.of_image(target, policy=licences.read_policy(), released_at=at, system=packages)
    assert {one["purl"] for one in bom["components"]} >= {
        f"pkg:deb/debian/{quote(one.name)}@{quote(one.version, safe=':')}?arch={one.architecture}" for one in packages
    }
    assert [name for name in docker("ps", "--all", "--format", "{{.Image}}").split() if name == tag] == []
