"""Serves a process's metrics, and counts its calls. Knows no service.

Each process makes its own registry and passes it on; the global one is not used, so that two services in one test
do not share counts.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, start_http_server

from dispatch.address import Address

# A second series beside each counter, with the time of its birth, that no rule or panel of ours reads.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library does not say its types here


def serve_metrics(registry: CollectorRegistry, address: Address) -> Address:
    """Serve the registry over HTTP on a thread of its own; gives the address really bound (port 0 works).

    Raises OSError when the address is taken.
    """
    server, _thread = start_http_server(address.port, addr=address.host, registry=registry)
    return Address(host=address.host, port=server.server_port)


class CallMetrics(grpc.aio.ServerInterceptor):
    """Counts unary calls by method and status, and how long they took. Streams are counted by their services."""

    def __init__(self, registry: CollectorRegistry, *, prefix: str) -> None:
        self._calls = Counter(
            f"{prefix}_calls", "Unary calls by method and gRPC code.", ["method", "code"], registry=registry
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
            except BaseException:
                self._count(method, context, started, failed=True)
                raise
            self._count(method, context, started, failed=False)
            return response

        behaviour: Any = counted
        return grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _count(self, method: str, context: grpc.aio.ServicerContext[Any, Any], started: float, *, failed: bool) -> None:
        code = context.code()
        name = code.name if isinstance(code, grpc.StatusCode) else ("INTERNAL" if failed else "OK")
        self._calls.labels(method, name).inc()
        self._seconds.labels(method).observe(time.perf_counter() - started)
