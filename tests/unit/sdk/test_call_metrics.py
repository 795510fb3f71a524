"""Calls are counted by how they ended: also those whose callers hung up, which nothing went wrong with."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from dispatch.runtime.metrics import CallMetrics
from prometheus_client import CollectorRegistry

from tests.support.waiting import until


async def test_a_caller_who_hangs_up_is_counted_as_that() -> None:
    registry, begun = CollectorRegistry(), asyncio.Event()

    async def work(_request: bytes, _context: object) -> bytes:
        begun.set()
        return await asyncio.Future[bytes]()

    def counted(code: str) -> float | None:
        labels = {"method": "Work", "code": code, "carrier": "grpc"}
        return registry.get_sample_value("test_calls_total", labels)

    behaviour: Any = work  # the stubs know only the blocking form of a handler
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(behaviour)
    server = grpc.aio.server(interceptors=[CallMetrics(registry, prefix="test")])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("dispatch.Test", {"Work": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/dispatch.Test/Work")
        call = ask(b"")
        await begun.wait()
        call.cancel()
        await until(lambda: counted("CANCELLED") or counted("INTERNAL"))
    await server.stop(None)

    assert counted("CANCELLED") == 1
    assert counted("INTERNAL") is None
