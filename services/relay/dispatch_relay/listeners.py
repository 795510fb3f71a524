"""Where a relay listens: for devices, for browsers, and for who reads its metrics. Called by `app`; knows no method."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispatch.address import Address
from dispatch.runtime.certificate import Certificate, CertificateMetrics
from dispatch.runtime.metrics import MetricsPage
from dispatch.runtime.server import Server
from prometheus_client import CollectorRegistry

from dispatch_relay.grpc_wire import handler
from dispatch_relay.metrics import Metrics
from dispatch_relay.options import Options, WebOptions
from dispatch_relay.settings import Settings
from dispatch_relay.wire import Wire

if TYPE_CHECKING:  # of the extra `web`
    from dispatch_relay.web.listener import Listener

Streams = Mapping[tuple[str, str], Callable[[Wire], Coroutine[object, object, None]]]
"""Who carries a stream, by its gRPC service and method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The addresses really bound."""

    address: Address
    metrics: Address | None
    web: Address | None


class Listeners:
    """The servers of one relay, and the addresses by which it is reached."""

    def __init__(self, options: Options, settings: Settings, *, registry: CollectorRegistry, metrics: Metrics) -> None:
        """Read what devices and browsers are shown. Raises ValueError."""
        # Fixed after __init__.
        self._options = options
        self._settings = settings
        self._registry = registry
        self._metrics = metrics
        of_web = None if options.web is None else options.web.certificate
        self._certificate: Certificate | None = None
        self._web_certificate: Certificate | None = None
        if options.certificate is not None or of_web is not None:
            seen = CertificateMetrics(registry, prefix="dispatch_relay")
            if options.certificate is not None:
                self._certificate = Certificate(options.certificate, listener="devices", metrics=seen)
            if of_web is not None:
                self._web_certificate = Certificate(of_web, listener="web", metrics=seen)
        # Touched by `open`; the rest of the names is known when the ports are.
        self.names = set(settings.names)
        """What devices may call this relay."""
        self.advertise = ""
        """By which address devices reach it, and browsers; empty: not at all."""
        self.web_advertise = ""
        self._server: Server | None = None
        self._web: Listener | None = None
        self._page: MetricsPage | None = None

    async def open(self, streams: Streams) -> Running:
        """Listen, and have each stream carried; the health protocol says nothing yet. Raises OSError."""
        self._server = server = Server(services=[service for service, _ in streams])
        proxies = self._options.proxies
        server.grpc.add_generic_rpc_handlers(
            tuple(handler(*one, carry, proxies=proxies) for one, carry in streams.items())
        )
        address = await server.start(self._options.listen, certificate=self._certificate)
        self.advertise = self._named(address, self._options.advertise)
        web = None
        if self._options.web is not None:
            try:
                web = await self._open_web(self._options.web, streams)
            except OSError:
                await server.stop(grace_seconds=0)
                raise
        if self._options.metrics is not None:
            self._page = MetricsPage(self._registry, self._options.metrics, certificate=self._certificate)
        return Running(address=address, metrics=None if self._page is None else self._page.address, web=web)

    async def _open_web(self, options: WebOptions, streams: Streams) -> Address:
        # Only here: what it imports is there in installations for browsers only.
        from dispatch_relay.web.listener import Listener  # noqa: PLC0415

        self._web = Listener(
            {f"/{service}/{method}": carry for (service, method), carry in streams.items()},
            names=self.names,
            origins=options.origins,
            certificate=self._web_certificate,
            connections=self._settings.web_connections,
            metrics=self._metrics,
            proxies=self._options.proxies,
        )
        address = await self._web.start(options.listen)
        self.web_advertise = self._named(address, options.advertise)
        return address

    def _named(self, bound: Address, advertise: Address | None) -> str:
        advertised = str(advertise or bound)
        self.names |= {str(bound), advertised}
        return advertised

    async def serving(self, serving: bool) -> None:
        """Say by the health protocol whether anybody is let in. Call when they are open."""
        if self._server is not None:
            await self._server.serving(serving)

    async def stop(self, *, grace_seconds: float) -> None:
        """Let what runs end within the grace, then cut it."""
        several = [one for one in (self._server, self._web) if one is not None]
        await asyncio.gather(*(one.stop(grace_seconds=grace_seconds) for one in several))
        if self._page is not None:
            self._page.close()
