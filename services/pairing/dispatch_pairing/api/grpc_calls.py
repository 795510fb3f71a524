"""The calls over gRPC: registers the methods, and turns what `desk` raises into statuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from dispatch.errors import DispatchError
from dispatch.runtime.peer import Proxies
from dispatch.status import refuse
from google.protobuf.message import Message

from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.method import Feed, Method
from dispatch_pairing.door import NEXT_NONCE, Metadata

Context = grpc.aio.ServicerContext[Any, Any]


def handlers(desk: Desk, methods: Iterable[Method | Feed], *, proxies: Proxies) -> list[grpc.GenericRpcHandler]:
    """Give what a gRPC server registers. `proxies` are believed about who calls."""
    by_service: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
    for method in methods:
        by_service.setdefault(method.service, {})[method.name] = (
            _unary(desk, method, proxies) if isinstance(method, Method) else _stream(desk, method, proxies)
        )
    return [grpc.method_handlers_generic_handler(service, found) for service, found in by_service.items()]


class GrpcCall:
    """A `Call` over gRPC."""

    def __init__(self, context: Context, *, proxies: Proxies) -> None:
        self._context = context
        self.address = proxies.of_grpc(context.peer(), self.metadata())

    def metadata(self) -> Metadata:
        """Give what the caller sent along."""
        return self._context.invocation_metadata() or ()

    async def greet(self, nonce: bytes) -> None:
        """Tell the nonce in the initial metadata."""
        await self._context.send_initial_metadata(((NEXT_NONCE, nonce),))


def _unary(desk: Desk, method: Method, proxies: Proxies) -> grpc.RpcMethodHandler[Any, Any]:
    async def answer(body: bytes, context: Context) -> Message:
        try:
            return await desk.answer(method, body, GrpcCall(context, proxies=proxies))
        except DispatchError as error:
            await refuse(context, error)

    # The stubs know only blocking handlers.
    behaviour: Any = answer
    return grpc.unary_unary_rpc_method_handler(behaviour, response_serializer=_serialize)


def _stream(desk: Desk, feed: Feed, proxies: Proxies) -> grpc.RpcMethodHandler[Any, Any]:
    async def follow(body: bytes, context: Context) -> None:
        async def write(message: Message) -> None:
            try:
                await context.write(message)
            except grpc.aio.InternalError:
                raise asyncio.CancelledError from None  # nobody is there: gRPC says so only behind a write that was under way

        try:
            await desk.follow(feed, body, GrpcCall(context, proxies=proxies), write)
        except DispatchError as error:
            await refuse(context, error)

    behaviour: Any = follow
    return grpc.unary_stream_rpc_method_handler(behaviour, response_serializer=_serialize)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
