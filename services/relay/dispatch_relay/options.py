"""What the command line says to a relay, read and looked over. Made by `cli` and by tests; nothing here is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dispatch.address import Address
from dispatch.runtime.bus import BusOptions
from dispatch.runtime.certificate import CertificateFiles
from dispatch.runtime.database import DatabaseAddress
from dispatch.runtime.origins import Origins
from dispatch.runtime.peer import Proxies
from dispatch.tls import Dialler, KeyFiles, read_authorities

from dispatch_relay.push.opening import PushOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Where browsers open streams, and from which pages (docs/web.md)."""

    listen: Address
    advertise: Address | None = None
    """By which address they reach it, if not the one listened on."""
    origins: Origins = field(default_factory=Origins)
    certificate: CertificateFiles | None = None
    """What they are shown; None: they are spoken to in the clear, which is for this computer alone, or for a proxy on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOptions:
    """What several relays have in common (docs/scale.md)."""

    database: DatabaseAddress
    bus: BusOptions


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    listen: Address
    data: Path
    pairing: Address
    advertise: Address | None
    metrics: Address | None
    certificate: CertificateFiles | None = None
    """What devices are shown; None: they are spoken to in the clear, which is for this computer alone."""
    services_ca: Path | None = None
    """Whose certificate the pairing service must show."""
    services: KeyFiles | None = None
    """What it is shown."""
    push: PushOptions = field(default_factory=PushOptions)
    """How people are called."""
    web: WebOptions | None = None
    """None: browsers open no streams here."""
    shared: SharedOptions | None = None
    """None: this relay is the only one."""
    plaintext: bool = False
    """Whether to speak in the clear off this computer."""
    proxies: Proxies = field(default_factory=Proxies)
    """Whose word on where a caller comes from is believed."""

    def dialler(self) -> Dialler:
        """Give how the pairing service is dialled; reads a file. Raises ValueError."""
        ca = "" if self.services_ca is None else read_authorities(self.services_ca)
        return Dialler(ca=ca, identity=self.services, plaintext=self.plaintext)
