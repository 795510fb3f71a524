"""The calls by Connect, for browsers: the same methods as over gRPC, on the listener of the account page. docs/web.md.

The library reads and writes the protocol. It gets no messages, but their bytes: a proof is over exactly those, and its own
protobuf runtime is not ours.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from dispatch.errors import BadRequest, DispatchError
from dispatch.runtime.metrics import CallMetrics, Carrier
from dispatch.runtime.peer import network
from dispatch.status import to_status
from google.protobuf.message import Message
from protobuf.wkt import Any as Detail

from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.method import Feed, Method
from dispatch_pairing.door import NEXT_NONCE, Metadata

_BINARY = "-bin"
Context = RequestContext[bytes, Message]


class Calls(ConnectASGIApplication[Desk]):
    """The calls as an ASGI application."""

    def __init__(self, desk: Desk, methods: Iterable[Method | Feed], *, limit_bytes: int, metrics: CallMetrics) -> None:
        """Take what is answered. Requests of more than `limit_bytes` are not even read."""
        table: Mapping[str, Any] = {method.full: _endpoint(desk, method, metrics) for method in methods}
        super().__init__(
            service=desk, endpoints=lambda _: table, read_max_bytes=limit_bytes, compressions=(), codecs=[_Bytes()]
        )

    @property
    def path(self) -> str:
        """Where the library would mount it: everywhere, since each method has its own path."""
        return "/"


class WebCall:
    """A `Call` of a browser."""

    def __init__(self, context: Context) -> None:
        self._context = context
        host = (context.client_address or "").rpartition(":")[0]
        self.address = network(host.strip("[]"))

    def metadata(self) -> Metadata:
        """Give the headers, the binary ones decoded. Raises BadRequest."""
        return [
            (name, _decoded(name, value) if name.endswith(_BINARY) else value)
            for name, value in self._context.request_headers.allitems()
        ]

    async def greet(self, nonce: bytes) -> None:
        """Tell the nonce in a header."""
        self._context.response_headers[NEXT_NONCE] = base64.b64encode(nonce).decode()


class _Bytes:
    """A codec that leaves requests as they are."""

    def name(self) -> str:
        """Give the name of the content type that it reads: the binary one."""
        return "proto"

    def encode(self, message: Message) -> bytes:
        """Write an answer."""
        return message.SerializeToString()

    def decode(self, data: bytes | bytearray, _kind: object) -> bytes:
        """Leave a request as it is."""
        return bytes(data)


def _endpoint(desk: Desk, method: Method | Feed, metrics: CallMetrics) -> Any:
    info = MethodInfo(
        name=method.name,
        service_name=method.service,
        input=bytes,
        output=Message,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY if isinstance(method, Method) else StreamType.SERVER_STREAM,
    )
    if isinstance(method, Feed):
        return Endpoint.server_stream(method=info, function=_stream(desk, method))
    return Endpoint.unary(method=info, function=_unary(desk, method, metrics))


def _unary(desk: Desk, method: Method, metrics: CallMetrics) -> Any:
    async def answer(body: bytes, context: Context) -> Message:
        started, code = time.perf_counter(), "INTERNAL"
        try:
            answered = await desk.answer(method, body, WebCall(context))
            code = "OK"
        except DispatchError as error:
            code = error.code.value
            raise _connect_error(error) from error
        except asyncio.CancelledError:
            code = "CANCELLED"  # the browser has gone, or its time is over
            raise
        finally:
            metrics.count(method.name, code, started, carrier=Carrier.WEB)
        return answered

    return answer


def _stream(desk: Desk, feed: Feed) -> Any:
    async def follow(body: bytes, context: Context) -> AsyncIterator[Message]:
        said: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)

        async def work() -> None:
            # Cancelled, it says nothing more: nobody takes it, whatever it fails with in its end.
            try:
                await desk.follow(feed, body, WebCall(context), said.put)
            finally:
                if not gone:
                    await said.put(None)

        gone = False
        following = asyncio.create_task(work())
        try:
            while (message := await said.get()) is not None:
                yield message
            await following
        except DispatchError as error:
            raise _connect_error(error) from error
        finally:
            # Also when the browser has gone: the library closes this then.
            gone = True
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)  # looked at, also when it fails in its end

    return follow


def _connect_error(error: DispatchError) -> ConnectError:
    """Write an error with the details that it has over gRPC: the reason, the time to come back, the metadata."""
    status = to_status(error)
    details = [ErrorDetail(Detail(type_url=one.type_url, value=one.value)) for one in status.details]
    return ConnectError(Code[error.code.value], status.message, details)


def _decoded(name: str, value: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError) as failure:
        raise BadRequest("not base64", metadata={"field": name}) from failure
