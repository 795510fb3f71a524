"""The Debian packages of an image, from the list that it has itself. Called by `sbom`; needs a container engine.

Nothing of the image is run: a container is made of it and not started, and the list copied out.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

STATUS = "/var/lib/dpkg/status"
_ASK_SECONDS = 60
_BUILD_SECONDS = 1_800
_GONE = frozenset({"not-installed", "config-files"})
"""The states of a package of which nothing is there but its settings; in all others there are files of it."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One that is there."""

    name: str
    architecture: str
    version: str
    source: str
    """The source package that it was built from, by which Debian speaks of defects."""
    source_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What an image has of Debian, or why that can't be said."""

    packages: tuple[Package, ...] = ()
    why_not: str = ""


def packages_of(target: str, *, docker: str | None, root: Path) -> Listed:
    """Build a target of deploy/Dockerfile, and list its packages. Builds nothing anew that the engine has kept.

    `docker` is the engine's program; None: there is none.
    """
    if docker is None:
        return Listed(why_not="there is no container engine")
    try:
        _said(docker, "version", "--format", "{{.Server.Version}}", within_seconds=_ASK_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return Listed(why_not="no container engine runs")
    words = ("build", "--quiet", "--file", str(root / "deploy" / "Dockerfile"), "--target", target, str(root))
    try:
        image = _said(docker, *words, within_seconds=_BUILD_SECONDS).decode().strip()
        return Listed(packages=tuple(packages_in(image, docker=docker)))
    except (OSError, subprocess.SubprocessError, ValueError) as failure:
        return Listed(why_not=f"the image can't be built or read: {_why(failure)}")


def packages_in(image: str, *, docker: str) -> list[Package]:
    """List what an image that the engine has is made of. Raises OSError, subprocess.SubprocessError, ValueError."""
    container = _said(docker, "create", "--network", "none", image, within_seconds=_ASK_SECONDS).decode().strip()
    try:
        archive = _said(docker, "cp", f"{container}:{STATUS}", "-", within_seconds=_ASK_SECONDS)
    finally:
        _said(docker, "rm", "--force", container, within_seconds=_ASK_SECONDS)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            status = files.extractfile(STATUS.rpartition("/")[2])
            text = b"" if status is None else status.read()
    except (tarfile.TarError, KeyError):
        raise ValueError(f"what was copied out is not {STATUS}") from None
    if not (packages := read_status(text.decode())):
        raise ValueError(f"{STATUS} has no packages")
    return packages


def read_status(text: str) -> list[Package]:
    """Read dpkg's list of packages; gives those of which there are files, sorted. Raises ValueError for what is none."""
    found = []
    for fields in _paragraphs(text):
        try:
            if fields["status"].split()[2] in _GONE:
                continue
            name, version, architecture = fields["package"], fields["version"], fields["architecture"]
        except (KeyError, IndexError):
            raise ValueError(f"a paragraph of {STATUS} lacks what each has") from None
        # "Source: name (version)", where each may be as the package's own and is then left out.
        source, _, said = fields.get("source", name).partition(" ")
        found.append(Package(name, architecture, version, source, said.strip("() ") or version))
    return sorted(found)


def _paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Give the fields of each paragraph by their lower-case names, each with its first line only: no other is asked for."""
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line and not line[0].isspace()]
        if lines:
            yield {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _said(docker: str, *words: str, within_seconds: int) -> bytes:
    return subprocess.run([docker, *words], check=True, capture_output=True, timeout=within_seconds).stdout


def _why(failure: Exception) -> str:
    """Give the last line that the engine said, or our own sentence, else the kind of failure."""
    if isinstance(failure, ValueError):
        return str(failure)
    said = failure.stderr if isinstance(failure, subprocess.CalledProcessError) else b""
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else type(failure).__name__
