"""Serves browsers inside the service's own loop, over TLS with a certificate that may change. Knows no page."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dispatch.address import Address
from dispatch.runtime.arrivals import PATIENCE_SECONDS, Arrival, Arrivals
from dispatch.runtime.sockets import bind

if TYPE_CHECKING:
    # Who serves the web phone has neither this nor what `certificate` needs.
    from starlette.types import ASGIApp

_BACKLOG = 128
_HEAD_BYTES = 16 * 1_024
_LOOPBACK = ["127.0.0.1", "::1"]


class Shown(Protocol):
    """What browsers are shown: a `Certificate`, or whatever else makes a context."""

    def context(self) -> ssl.SSLContext:
        """Give what TLS is spoken with."""


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own way of handling signals: the process has one."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ready.set()


class WebServer:
    """An HTTP server on one address. `bind` takes the address, `start` serves an application there, `stop` ends it."""

    def __init__(
        self, *, certificate: Shown | None, connections: int, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Speak TLS with a certificate, else in the clear. Who owes a whole request for longer than the patience is cut off."""
        self._connections = connections
        self._arrivals = Arrivals(
            connections=connections,
            context=None if certificate is None else certificate.context(),
            patience_seconds=patience_seconds,
        )
        self._socket: socket.socket | None = None
        self._server: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    def bind(self, listen: Address) -> Address:
        """Take the address before anything is served; gives the one really bound. Raises OSError."""
        self._socket, address = bind(listen)
        return address

    async def start(self, app: ASGIApp, *, behind_proxy: bool, grace_seconds: float) -> None:
        """Serve. `behind_proxy` believes a proxy on this computer about who asks and how (X-Forwarded-For and -Proto)."""
        if self._socket is None:
            raise AssertionError("bind comes first")
        factory: Any = self._arrival  # its published type takes a class, and it takes whatever makes one
        config = uvicorn.Config(
            app,
            http=factory,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=behind_proxy,
            forwarded_allow_ips=_LOOPBACK,
            # From this many on it says 503.
            limit_concurrency=self._connections + 1,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
        )
        self._server = _Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait((self._serving, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Stop taking requests, let what runs end, then cut it."""
        if self._server is None or self._serving is None:
            if self._socket is not None:
                self._socket.close()
            return
        self._server.should_exit = True
        self._arrivals.shut_idle()
        await self._serving

    def _arrival(self, **given: Any) -> Arrival:
        served = _Http(**given)
        served.arrival = self._arrivals.take(served, served.owes)
        return served.arrival


class _Http(H11Protocol):
    """The pure Python one, which bounds the head of a request. Says when no request is being worked on."""

    arrival: Arrival

    def owes(self) -> object | None:
        """Give what changes with each request; None while one is being worked on."""
        cycle: Any = self.cycle  # none before the first
        if cycle is None:
            return self
        return cycle if cycle.response_complete else None

    def on_response_complete(self) -> None:
        """Note that another request is due."""
        super().on_response_complete()
        self.arrival.look()
