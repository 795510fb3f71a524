"""A server by streamable HTTP, with bounds on what it sends. Called by `starting`.

No proxy, and nothing compressed: a small answer could be large. The SDK follows a redirect only within the server's own origin.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import TypeAlias

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from dispatch_host.connectors.events import Events
from dispatch_host.connectors.meter import MESSAGE_BYTES, Meter
from dispatch_host.weight import is_heavy

_CONNECT_SECONDS = 30.0
_SILENT_SECONDS = 3600.0  # a call has its own end
_EVENTS = "text/event-stream"

Message: TypeAlias = SessionMessage | Exception


@contextlib.asynccontextmanager
async def http(
    url: str, headers: Mapping[str, str], meter: Meter, ended: Callable[[], None]
) -> AsyncIterator[tuple[ReadStream[Message], WriteStream[SessionMessage]]]:
    """Give the SDK its two streams. `ended` is called when nothing more is taken."""
    timeout = httpx2.Timeout(_CONNECT_SECONDS, read=_SILENT_SECONDS)
    transport = _Bounded(httpx2.AsyncHTTPTransport(trust_env=False), meter, ended)
    wanted = {**headers, "Accept-Encoding": "identity"}
    async with (
        httpx2.AsyncClient(headers=wanted, timeout=timeout, transport=transport, trust_env=False) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MESSAGE_BYTES) as (heard, said),
    ):
        yield _Metered(heard, meter, ended), said


class _Metered:
    """The SDK's stream, up to what the meter lets through."""

    def __init__(self, heard: ReadStream[Message], meter: Meter, ended: Callable[[], None]) -> None:
        self._heard = heard
        self._meter = meter
        self._ended = ended

    async def receive(self) -> Message:
        return await self._heard.receive()

    async def aclose(self) -> None:
        await self._heard.aclose()

    def __aiter__(self) -> _Metered:
        return self

    async def __anext__(self) -> Message:
        try:
            one = await self._heard.__anext__()
            # Its bytes are counted where they come in.
            if not self._meter.heard(0):
                raise StopAsyncIteration
        except StopAsyncIteration:
            self._ended()
            raise
        return one

    async def __aenter__(self) -> _Metered:
        await self._heard.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._heard.__aexit__(kind, error, trace)


class _Bounded(httpx2.AsyncBaseTransport):
    """Takes no body that is more than a message may be, but for a stream of events, each of which is bounded by itself.

    The meter counts all bytes of all of them: a stream may be comments without end, of which the SDK says nothing.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, meter: Meter, ended: Callable[[], None]) -> None:
        self._inner = inner
        self._meter = meter
        self._ended = ended

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("it is compressed, which nobody asked for", request=request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  this is an asynchronous transport
        cut = _Cut
        if response.headers.get("content-type", "").lower().startswith(_EVENTS):
            cut = _CutEvents
            # In UTF-8, as the protocol has it, whatever the server says: where an event ends is looked for in the bytes.
            response.headers["content-type"] = _EVENTS
        response.stream = cut(response.stream, self._came, self._may_be_read, request)
        return response

    def _came(self, size_bytes: int) -> bool:
        if self._meter.came(size_bytes):
            return True
        self._ended()  # the SDK would open an idle stream again
        return False

    def _may_be_read(self, message: bytes | bytearray) -> bool:
        if len(message) <= MESSAGE_BYTES and not is_heavy(bytes(message)):
            return True
        self._meter.is_over = True
        self._ended()  # the SDK would ask again
        return False

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Cut(httpx2.AsyncByteStream):
    """A body, as long as `came` lets it: passed on only when it is whole and `may_be_read` says so."""

    def __init__(
        self,
        inner: httpx2.AsyncByteStream,
        came: Callable[[int], bool],
        may_be_read: Callable[[bytes | bytearray], bool],
        request: httpx2.Request,
    ) -> None:
        self._inner = inner
        self._came = came
        self._may_be_read = may_be_read
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = bytearray()
        async for chunk in self._metered():
            body += chunk
            if len(body) > MESSAGE_BYTES:
                self._check(body)
        self._check(body)
        yield bytes(body)

    async def _metered(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            if not self._came(len(chunk)):
                return  # whoever was told so ends the connection
            yield chunk

    def _check(self, message: bytes | bytearray) -> None:
        if not self._may_be_read(message):
            raise httpx2.RemoteProtocolError("it is more than a message may be", request=self._request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CutEvents(_Cut):
    """A stream: passed on as it comes, but each event only when `may_be_read` says so."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events = Events()
        async for chunk in self._metered():
            for event in events.feed(chunk):
                self._check(event)
            if len(events.rest) > MESSAGE_BYTES:
                self._check(events.rest)
            yield chunk
        self._check(events.rest)  # a reader takes what it has for an event when nothing more comes
