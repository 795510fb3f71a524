"""Where the service listens: for devices, and for other services, which have a listener of their own off this computer.

Devices prove each call with their key; services show a certificate to the listener, which is therefore theirs alone. Only on
one computer, where everybody who can connect is its user, do both share one. Called by app.py; knows no method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from dispatch.address import Address, refuse_plaintext
from dispatch.runtime.certificate import Certificate, CertificateFiles, CertificateMetrics
from dispatch.runtime.metrics import CallMetrics, MetricsPage
from dispatch.runtime.origins import Origins
from dispatch.runtime.server import Server
from prometheus_client import CollectorRegistry

_PREFIX = "dispatch_pairing"


@dataclass(frozen=True, slots=True)
class ServicesListener:
    """Where other services connect, and the certificates of both sides."""

    listen: Address
    certificate: CertificateFiles

    def __post_init__(self) -> None:
        """Raise ValueError when anybody could connect."""
        if self.certificate.callers is None:
            raise ValueError("--services needs --services-ca: whose certificates the other services show")


@dataclass(frozen=True, slots=True)
class WebListener:
    """Where browsers ask for the account page, and make calls."""

    listen: Address
    certificate: CertificateFiles | None = None
    """None: they are spoken to in the clear, which is for this computer alone, or for a proxy on it."""
    origins: Origins = field(default_factory=Origins)
    """Whose pages may make calls (docs/web.md); none: nobody makes any here."""


def check(
    listen: Address,
    *,
    certificate: CertificateFiles | None,
    services: ServicesListener | None,
    metrics: Address | None,
    web: WebListener | None,
    plaintext: bool,
) -> None:
    """Raise ValueError for what must not be served in the clear, or to everybody. `plaintext` is DISPATCH_PLAINTEXT=1.

    Each mistake is a line of its own.
    """
    wrong = []
    in_the_clear = [address for address in (listen, metrics) if address is not None and certificate is None]
    if web is not None and web.certificate is None:
        in_the_clear.append(web.listen)
    for address in in_the_clear:
        try:
            refuse_plaintext(address, allowed=plaintext)
        except ValueError as failure:
            wrong.append(str(failure))
    if services is None and not (plaintext or listen.is_loopback):
        wrong.append(
            f"everybody who reaches {listen} could follow what only relays may: --services, --services-ca, "
            "--services-cert and --services-key give them a listener of their own (docs/operations.md, TLS)"
        )
    if wrong:
        raise ValueError("\n".join(wrong))


class Listeners:
    """The gRPC servers of a running service."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        certificate: CertificateFiles | None,
        services: ServicesListener | None,
        web: WebListener | None,
        for_devices: Sequence[str],
        for_services: Sequence[str],
    ) -> None:
        """Read the certificates. The last two are names of gRPC services. Raises ValueError."""
        self._registry = registry
        self._services = services
        self._certificate: Certificate | None = None
        self._own: Certificate | None = None
        self.web_certificate: Certificate | None = None
        """What browsers are shown."""
        of_web = None if web is None else web.certificate
        if certificate is not None or services is not None or of_web is not None:
            seen = CertificateMetrics(registry, prefix=_PREFIX)
            if certificate is not None:
                self._certificate = Certificate(certificate, listener="devices", metrics=seen)
            if services is not None:
                self._own = Certificate(services.certificate, listener="services", metrics=seen)
            if of_web is not None:
                self.web_certificate = Certificate(of_web, listener="web", metrics=seen)
        self.calls = calls = CallMetrics(registry, prefix=_PREFIX)
        together = () if services is not None else tuple(for_services)
        self._devices_server = Server(services=(*for_devices, *together), interceptors=[calls])
        self._services_server = None if services is None else Server(services=tuple(for_services), interceptors=[calls])
        self.services: Address | None = None
        self._page: MetricsPage | None = None

    def bind(self, listen: Address) -> Address:
        """Take the addresses before anything is served; gives the devices' one. Raises OSError."""
        if self._services is not None and self._services_server is not None:
            self.services = self._services_server.bind(self._services.listen, certificate=self._own)
        return self._devices_server.bind(listen, certificate=self._certificate)

    def add(
        self, *, for_devices: Sequence[grpc.GenericRpcHandler], for_services: Sequence[grpc.GenericRpcHandler]
    ) -> None:
        """Register what is served."""
        self._devices_server.grpc.add_generic_rpc_handlers(tuple(for_devices))
        (self._services_server or self._devices_server).grpc.add_generic_rpc_handlers(tuple(for_services))

    def serve_metrics(self, address: Address | None) -> Address | None:
        """Serve the metrics page, over HTTPS where it must be; gives the address really bound."""
        if address is None:
            return None
        self._page = MetricsPage(self._registry, address, certificate=self._certificate)
        return self._page.address

    async def start(self) -> None:
        """Serve."""
        for server in self._servers():
            await server.grpc.start()
            await server.serving(True)

    async def drain(self) -> None:
        """Say by the health protocol that no more work is welcome."""
        for server in self._servers():
            await server.serving(False)

    async def stop(self, *, grace_seconds: float) -> None:
        """Let what runs end within the grace, then cut it."""
        for server in self._servers():
            await server.stop(grace_seconds=grace_seconds)
        if self._page is not None:
            self._page.close()

    def _servers(self) -> list[Server]:
        return [one for one in (self._devices_server, self._services_server) if one is not None]
