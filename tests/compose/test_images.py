"""What is in our images, and what must not be: no compiler, no rights to be had, no secret. Sizes are printed.

Looks at the images that `make up` of the other modules built, or builds them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.compose.stack import DOCKER, ROOT

pytestmark = pytest.mark.timeout(900)

IMAGES = ("pairing", "relay", "host", "phone", "postgres", "nats", "balancer")
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
