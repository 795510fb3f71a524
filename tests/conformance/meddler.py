"""A relay in the middle that a test has meddle with what a phone hears: rows twice, in another order, changed, at a wrong place.

It stands before the real relay, for gRPC and for WebSockets, and passes everything else on as it is; hosts are never meddled
with. Called by `stage`. What it may do is what docs/encryption.md says that a server can do, and not unnoticed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any

import grpc
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.relay.v1 import relay_pb2_grpc
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Trick = Callable[[pb.RelayFrame], Sequence[pb.RelayFrame]]
"""Takes a frame that a row or a live message stands in and gives what the phone hears in its place."""

_LONGEST = 4 * 1024 * 1024


def sealed_row(frame: pb.RelayFrame) -> bool:
    """Tell whether a frame brings a row of the host."""
    return frame.WhichOneof("frame") == "deliver" and bool(frame.deliver.sealed)


class Replay:
    """Says every row and every live message twice."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, frame: pb.RelayFrame) -> Sequence[pb.RelayFrame]:
        self.times += 1
        return [frame, frame]


class Reorder:
    """Lets the second row overtake the first."""

    def __init__(self) -> None:
        self.times = 0
        self._first: pb.RelayFrame | None = None

    def __call__(self, frame: pb.RelayFrame) -> Sequence[pb.RelayFrame]:
        if self.times or not sealed_row(frame):
            return [frame]
        if self._first is None:
            self._first = frame
            return []
        self.times += 1
        return [frame, self._first]


class Alter:
    """Changes the last byte of one row: the tag does not fit any more."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, frame: pb.RelayFrame) -> Sequence[pb.RelayFrame]:
        if self.times or not sealed_row(frame):
            return [frame]
        self.times += 1
        changed = pb.RelayFrame()
        changed.CopyFrom(frame)
        sealed = bytearray(frame.deliver.sealed)
        sealed[-1] ^= 1
        changed.deliver.sealed = bytes(sealed)
        return [changed]


class Move:
    """Puts an earlier row in the place of a later one."""

    def __init__(self) -> None:
        self.times = 0
        self._earlier: bytes | None = None

    def __call__(self, frame: pb.RelayFrame) -> Sequence[pb.RelayFrame]:
        if self.times or not sealed_row(frame):
            return [frame]
        if self._earlier is None:
            self._earlier = frame.deliver.sealed
            return [frame]
        self.times += 1
        moved = pb.RelayFrame()
        moved.CopyFrom(frame)
        moved.deliver.sealed = self._earlier
        return [moved]


class Meddler(relay_pb2_grpc.ThreadServiceServicer):
    """Use as an async context manager; `relay` and `relay_web` are set once there is a relay to stand before."""

    def __init__(self) -> None:
        self.address = ""
        self.web_address = ""
        self.relay = ""
        self.relay_web = ""
        self.trick: Trick | None = None

    async def __aenter__(self) -> Meddler:
        self._server = grpc.aio.server()
        relay_pb2_grpc.add_ThreadServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        self._web = await serve(self._socket, "127.0.0.1", 0, max_size=_LONGEST, compression=None)
        self.web_address = f"127.0.0.1:{next(iter(self._web.sockets)).getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._web.close()
        await self._web.wait_closed()
        await self._server.stop(0)

    def told(self, message: bytes) -> bytes:
        """Give what a phone hears in place of a message of the relay."""
        if self.trick is None:
            return message
        said: list[pb.RelayFrame] = []
        for frame in pb.AttachResponse.FromString(message).frames:
            touched = frame.WhichOneof("frame") in {"deliver", "live"}
            said += self.trick(frame) if touched and self.trick is not None else [frame]
        return pb.AttachResponse(frames=said).SerializeToString()

    async def Attach(  # type: ignore[override] # noqa: N802 -- the contract's name; a coroutine handler, as the stubs do not know
        self, requests: AsyncIterator[pb.AttachRequest], context: Any
    ) -> None:
        """Serve a stream."""
        first = await anext(aiter(requests))
        phone = first.frames[0].hello.device_kind == pb.DEVICE_KIND_PHONE

        async def asked() -> AsyncIterator[pb.AttachRequest]:
            yield first
            async for request in requests:
                yield request

        async with grpc.aio.insecure_channel(self.relay) as channel:
            call = relay_pb2_grpc.ThreadServiceStub(channel).Attach(asked())
            try:
                async for answer in call:
                    heard = self.told(answer.SerializeToString()) if phone else answer.SerializeToString()
                    await context.write(pb.AttachResponse.FromString(heard))
            except grpc.aio.AioRpcError as ended:
                trailers = tuple((name, value) for name, value in ended.trailing_metadata() or ())
                await context.abort(ended.code(), ended.details() or "", trailers)

    async def _socket(self, phone: ServerConnection) -> None:
        assert phone.request is not None
        url = f"ws://{self.relay_web}{phone.request.path}"
        async with connect(url, max_size=_LONGEST, compression=None) as relay:

            async def upwards() -> None:
                with contextlib.suppress(ConnectionClosed):
                    async for message in phone:
                        await relay.send(message)
                await relay.close()

            up = asyncio.create_task(upwards())
            try:
                async for message in relay:
                    await phone.send(self.told(message if isinstance(message, bytes) else message.encode()))
            except ConnectionClosed:
                pass
            finally:
                up.cancel()
            if relay.close_code is not None and relay.close_code != 1006:
                await phone.close(relay.close_code, relay.close_reason or "")
            else:
                phone.transport.abort()
