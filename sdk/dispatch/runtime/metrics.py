"""Serves a process's metrics, and counts its calls. Knows no service.

Each process makes its own registry and passes it on; the global one is not used, so that two services in one test
do not share counts.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, make_wsgi_app

from dispatch.address import Address
from dispatch.runtime.certificate import Certificate

_READ_SECONDS = 10.0

# A second series beside each counter, with the time of its birth, that no rule or panel of ours reads.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library does not say its types here


class MetricsPage:
    """Serves a registry on a thread of its own, which sleeps while nobody asks, until it is closed."""

    def __init__(
        self, registry: CollectorRegistry, address: Address, *, certificate: Certificate | None = None
    ) -> None:
        """Begin to serve: over HTTPS off this computer when there is a certificate, else over HTTP.

        Raises OSError when the address is taken.
        """
        self._server = make_server(
            address.host,
            address.port,
            make_wsgi_app(registry),
            server_class=_SixServer if ":" in address.host else _Server,
            handler_class=_Quiet,
        )
        if certificate is not None and not address.is_loopback:
            self._server.context = certificate.context()
        self._end, self._ended = socket.socketpair()
        self.address = Address(host=address.host, port=self._server.server_port)
        """The one really bound (port 0 works)."""
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve nobody any more; the address is free then. Scrapes under way end by themselves."""
        self._end.close()
        self._thread.join()

    def _serve(self) -> None:
        # Not `serve_forever`, which looks twice a second whether it is to end.
        with self._server, self._ended, selectors.DefaultSelector() as selector:
            selector.register(self._ended, selectors.EVENT_READ)
            selector.register(self._server, selectors.EVENT_READ)
            while all(key.fileobj is not self._ended for key, _ in selector.select()):
                self._server.handle_request()


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a scrape, TLS handshake included: who connects and says nothing keeps nobody else waiting."""

    daemon_threads = True
    timeout = 0  # who connected may be gone again when it is looked at
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_READ_SECONDS)
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Say nothing of a scraper that hung up, or of a stranger that speaks no TLS."""


class _SixServer(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name it has there
        """Log nothing: a scrape is no event."""


class Carrier(StrEnum):
    """What carries a call or a stream: a label of the metrics, and nothing else depends on it."""

    GRPC = "grpc"
    WEB = "web"


class CallMetrics(grpc.aio.ServerInterceptor):
    """Counts unary calls by method and status, and how long they took. Streams are counted by their services."""

    def __init__(self, registry: CollectorRegistry, *, prefix: str) -> None:
        self._calls = Counter(
            f"{prefix}_calls",
            "Unary calls by method, gRPC code and what carried them.",
            ["method", "code", "carrier"],
            registry=registry,
        )
        self._seconds = Histogram(f"{prefix}_call_seconds", "How long unary calls took.", ["method"], registry=registry)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        # The stubs know only the blocking form of a handler; ours are coroutines.
        inner: Any = handler.unary_unary
        method = handler_call_details.method.rpartition("/")[2]

        async def counted(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = time.perf_counter()
            try:
                response = await inner(request, context)
            except BaseException as failure:
                gone = isinstance(failure, asyncio.CancelledError)
                self._count(method, context, started, otherwise="CANCELLED" if gone else "INTERNAL")
                raise
            self._count(method, context, started, otherwise="OK")
            return response

        behaviour: Any = counted
        return grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _count(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any], started: float, *, otherwise: str
    ) -> None:
        code = context.code()
        name = code.name if isinstance(code, grpc.StatusCode) else otherwise
        self.count(method, name, started, carrier=Carrier.GRPC)

    def count(self, method: str, code: str, started: float, *, carrier: Carrier) -> None:
        """Count a call that began at `started`, by `time.perf_counter`. For calls that come by another way than gRPC."""
        self._calls.labels(method, code, carrier).inc()
        self._seconds.labels(method).observe(time.perf_counter() - started)
