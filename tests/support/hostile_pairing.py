"""A pairing service that means harm: it stands before the real one and changes what the devices are told about an offer.

It can't change what devices say to the service (their proofs cover the bytes), and needs not: a real attacker in its place
would own the service's database as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
from dispatch.api.pairing.v1.pairing_pb2 import FollowOfferResponse

Twist = Callable[[FollowOfferResponse], Iterable[FollowOfferResponse]]
"""What a device is told instead of an event: the same, another, several, or nothing."""

_FOLLOW = "/dispatch.api.pairing.v1.PairingService/FollowOffer"


def as_is(event: FollowOfferResponse) -> list[FollowOfferResponse]:
    """Tell the truth."""
    return [event]


class HostilePairing(grpc.GenericRpcHandler):
    """Forwards every call, with its metadata, and twists what FollowOffer gives. Counts what it twisted."""

    def __init__(self, real: str) -> None:
        self.twist: Twist = as_is
        self.twisted = 0
        self._real = grpc.aio.insecure_channel(real)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)
        await self._real.close()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = details.method
        metadata = [(key, value) for key, value in details.invocation_metadata if key.startswith("dispatch-")]

        async def unary(request: bytes, context: Any) -> bytes:
            start: Any = self._real.unary_unary(method)
            call = start(request, metadata=metadata)
            try:
                answer: bytes = await call
            except grpc.aio.AioRpcError as failure:
                await context.abort(failure.code(), failure.details(), tuple(failure.trailing_metadata() or ()))
            return answer

        async def follow(request: bytes, context: Any) -> AsyncIterator[bytes]:
            start: Any = self._real.unary_stream(method)
            call = start(request, metadata=metadata)
            try:
                async for content in call:
                    told = [one.SerializeToString() for one in self.twist(FollowOfferResponse.FromString(content))]
                    self.twisted += told != [content]
                    for one in told:
                        yield one
            except grpc.aio.AioRpcError as failure:
                await context.abort(failure.code(), failure.details(), tuple(failure.trailing_metadata() or ()))

        behaviour: Any = follow if method == _FOLLOW else unary
        make: Any = grpc.unary_stream_rpc_method_handler if method == _FOLLOW else grpc.unary_unary_rpc_method_handler
        return make(behaviour)
