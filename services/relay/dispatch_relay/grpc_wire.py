"""A stream of a device over gRPC: registers the services, and carries what they read and write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from dispatch import errors
from dispatch.runtime.metrics import Carrier
from dispatch.runtime.peer import Proxies
from dispatch.status import refuse

from dispatch_relay.wire import Gone, Wire

Context = grpc.aio.ServicerContext[bytes, bytes]
Serve = Callable[[Wire], Awaitable[None]]


def handler(service: str, method: str, serve: Serve, *, proxies: Proxies) -> grpc.GenericRpcHandler:
    """Give what a gRPC server registers for a method. Bytes stay bytes. `proxies` are believed about who calls."""

    async def behaviour(_requests: object, context: Context) -> None:
        wire = GrpcWire(context, proxies=proxies)
        await serve(wire)
        wire.leave()

    of_any: Any = behaviour  # the stubs know only the blocking form of a handler
    registered: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(of_any)
    return grpc.method_handlers_generic_handler(service, {method: registered})


class GrpcWire:
    """A `Wire` over gRPC. gRPC cancels the handler when the device has gone."""

    carrier = Carrier.GRPC

    def __init__(self, context: Context, *, proxies: Proxies) -> None:
        self.address = proxies.of_grpc(context.peer(), context.invocation_metadata())
        self._context = context
        self._broken = False  # whether writing failed; the end of reading may only be the caller's last word

    async def read(self) -> bytes:
        """Give the next message. Raises Gone."""
        data = await self._context.read()
        if not isinstance(data, bytes):
            raise Gone
        return data

    def let_in(self) -> None:
        """Do nothing: gRPC reads no message before it is asked for, and its windows bound what came."""

    async def write(self, message: bytes) -> None:
        """Write a message. Raises Gone."""
        try:
            await self._context.write(message)
        except grpc.aio.InternalError:
            self._broken = True
            raise Gone from None

    async def refuse(self, error: errors.DispatchError) -> None:
        """End the stream with the error."""
        with contextlib.suppress(grpc.aio.InternalError):
            await refuse(self._context, error)

    def leave(self) -> None:
        """End the handler without a status when none can be heard: gRPC prints a traceback of its own where it tries in vain."""
        if self._broken:
            raise asyncio.CancelledError
