"""What carries a stream that a test makes by hand: gRPC, or a WebSocket as a browser's. Bytes in, bytes out, and why it ended."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

import grpc
import pytest
from dispatch import errors
from dispatch.channel import dial
from dispatch.status import from_rpc
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

BIG_BYTES = 4 * 1_024 * 1_024
NORMAL, FIRST = 1000, 4000
SentAlong = Sequence[tuple[str, str]]
"""Headers, or the metadata of gRPC."""


BOTH_CARRIERS = pytest.mark.parametrize("carrier", ["grpc", "web"])
"""For a test, or as a module's `pytestmark`: each carrier in turn."""


class WebAddress(str):
    """Where a relay listens for browsers: who dials it opens a WebSocket."""

    __slots__ = ()


class Wire(Protocol):
    """One stream."""

    async def write(self, message: bytes) -> None:
        """Write a message. What ended the stream, `read` says."""

    async def read(self) -> bytes | None:
        """Give the next message; None at an end in peace. Raises why it ended otherwise."""

    async def cut(self) -> None:
        """Break the stream without a word."""


def open_wire(address: str, method: str, *, alone: bool = False, sent_along: SentAlong = ()) -> Wire:
    """Open a stream: `method` is its full name, "/package.Service/Method"."""
    if isinstance(address, WebAddress):
        return WebWire(address, method, additional_headers=list(sent_along))
    return GrpcWire(address, method, alone=alone, sent_along=sent_along)


class GrpcWire:
    """Over gRPC."""

    def __init__(self, address: str, method: str, *, alone: bool = False, sent_along: SentAlong = ()) -> None:
        self._channel = dial(address, alone=alone)
        self._call: Any = self._channel.stream_stream(method)(metadata=tuple(sent_along))

    async def write(self, message: bytes) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.write(message)

    async def read(self) -> bytes | None:
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        return message if isinstance(message, bytes) else None

    async def cut(self) -> None:
        self._call.cancel()
        await self._channel.close()


class WebWire:
    """Over a WebSocket. `options` go to the library: `origin`, `ssl`."""

    def __init__(self, address: str, path: str, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        scheme = "ws" if tls is None else "wss"
        given = {"compression": None, "ping_interval": None, "max_size": BIG_BYTES, "proxy": None, **options}
        self._opening = asyncio.ensure_future(_open(f"{scheme}://{address}{path}", ssl=tls, **given))

    async def connection(self) -> ClientConnection:
        """Give the connection once it is open. Raises OSError, and WebSocketException for one that was turned away."""
        return await asyncio.shield(self._opening)

    async def write(self, message: bytes) -> None:
        with contextlib.suppress(OSError, WebSocketException):
            await (await self.connection()).send(message)

    async def read(self) -> bytes | None:
        try:
            message = await (await self.connection()).recv(decode=False)
        except ConnectionClosed as failure:
            if failure.rcvd is not None and failure.rcvd.code == NORMAL:
                return None
            raise _why(failure) from failure
        except (OSError, WebSocketException) as failure:
            raise errors.NoNetwork(str(failure)) from failure
        return bytes(message)

    async def cut(self) -> None:
        self._opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, WebSocketException):
            connection = await self._opening
            if not connection.transport.is_closing():
                connection.transport.abort()
            await connection.wait_closed()


async def _open(address: str, **options: Any) -> ClientConnection:
    return await connect(address, **options)


def _why(failure: ConnectionClosed) -> errors.DispatchError:
    """Read a close as docs/web.md has it."""
    if failure.rcvd is None or failure.rcvd.code < FIRST:
        return errors.NoNetwork("the connection was lost")
    return of_close(failure.rcvd.code, failure.rcvd.reason)


def of_close(code: int, reason: str) -> errors.DispatchError:
    """Give the error that a close stands for."""
    said = dict(parse_qsl(reason, strict_parsing=True))
    word, detail = said.pop("reason"), said.pop("detail", "")
    retry_after_ms = int(said.pop("retry_after_ms", "0"))
    error = errors.of_word(word, detail, retry_after_ms=retry_after_ms, metadata=said)
    assert code == FIRST + grpc_number(error)
    return error


def grpc_number(error: errors.DispatchError) -> int:
    """Give the number of an error's gRPC status."""
    number: int = grpc.StatusCode[error.code.value].value[0]
    return number
