"""Serves browsers inside the service's own loop, over TLS with a certificate that may change. Knows no page."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from dispatch.address import Address
from dispatch.runtime.certificate import Certificate
from dispatch.runtime.sockets import bind

_BACKLOG = 128
_HEAD_BYTES = 16 * 1_024
_LOOPBACK = ["127.0.0.1", "::1"]


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

    def __init__(self, *, certificate: Certificate | None, connections: int) -> None:
        """Speak TLS with a certificate, else in the clear."""
        self._certificate = certificate
        self._connections = connections
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
        config = uvicorn.Config(
            app,
            # Pure Python, and the one that bounds the head of a request.
            http="h11",
            h11_max_incomplete_event_size=_HEAD_BYTES,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=behind_proxy,
            forwarded_allow_ips=_LOOPBACK,
            limit_concurrency=self._connections,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            ssl_context_factory=None if self._certificate is None else self._context,
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
        await self._serving

    def _context(self, *_: object) -> ssl.SSLContext:
        if self._certificate is None:
            raise AssertionError("asked for without a certificate")
        return self._certificate.context()
