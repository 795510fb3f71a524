"""Where the parts of a release are in the repository: its distributions, its images, the files that say the version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One of the five."""

    name: str
    folder: str
    package: str
    pins: str
    """The file in requirements/ that pins what it needs."""
    program: str | None = None

    @property
    def wheel(self) -> str:
        """Give how the name of its wheel begins."""
        return self.name.replace("-", "_") + "-"


DISTRIBUTIONS = (
    Distribution(name="dispatch-sdk", folder="sdk", package="dispatch", pins="dev.txt"),
    Distribution(
        name="dispatch-pairing",
        folder="services/pairing",
        package="dispatch_pairing",
        pins="pairing.txt",
        program="dispatch-pairing",
    ),
    Distribution(
        name="dispatch-relay",
        folder="services/relay",
        package="dispatch_relay",
        pins="relay.txt",
        program="dispatch-relay",
    ),
    Distribution(
        name="dispatch-host", folder="services/host", package="dispatch_host", pins="host.txt", program="dispatch-host"
    ),
    Distribution(
        name="dispatch-mobile-sim",
        folder="clients/mobile_sim",
        package="mobile_sim",
        pins="phone.txt",
        program="dispatch-phone",
    ),
)

IMAGES: Mapping[str, tuple[str, ...]] = {
    "pairing": ("dispatch-sdk", "dispatch-pairing"),
    "relay": ("dispatch-sdk", "dispatch-relay"),
    "host": ("dispatch-sdk", "dispatch-host"),
    "phone": ("dispatch-sdk", "dispatch-mobile-sim"),
    "web": (),
}
"""Each target of deploy/Dockerfile that has pins of its name in requirements/, and which of our distributions are in it."""

OF_DEBIAN = ("postgres", "nats", "balancer")
"""The other images of deploy/Dockerfile: what they run is Debian's, and nothing of ours is in them."""

VERSIONS = {
    "sdk/dispatch/version.py": 'APP_VERSION = "{}"\n',
    "clients/web_phone/src/ground/account.ts": 'export const APP_VERSION = "{}";\n',
}
"""The files that say the version. The first counts; the web phone is no Python and says it again, and a test compares them."""


def version(root: Path = ROOT) -> str:
    """Read the version."""
    return next(iter(versions(root).values()))


def versions(root: Path = ROOT) -> dict[str, str]:
    """Read the version in each file that says it. Raises ValueError for one that does not, or does twice."""
    found = {}
    for name, line in VERSIONS.items():
        before, _, after = line.partition("{}")
        said = [
            one.removeprefix(before).removesuffix(after)
            for one in (root / name).read_text().splitlines(keepends=True)
            if one.startswith(before)
        ]
        if len(said) != 1:
            raise ValueError(f"{name} says the version {len(said)} times, not once")
        found[name] = said[0]
    return found


def write_version(new: str, root: Path = ROOT) -> None:
    """Write a version into each file that says it."""
    for name, old in versions(root).items():
        line, path = VERSIONS[name], root / name
        path.write_text(path.read_text().replace(line.format(old), line.format(new)))
