"""A caller of the pairing service by Connect, as a browser's page is one. Written against the protocol, not with its library."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from dispatch import errors
from dispatch.status import DOMAIN
from google.protobuf.message import Message
from google.rpc import error_details_pb2

PAGE = "https://phone.example"
"""The origin of the page that calls."""

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For what is asked in the clear: to load the usual authorities takes each client 40 ms of processor time."""

Metadata = Iterable[tuple[str, str | bytes]]
Parse = Callable[[bytes], Message]
_CALL_SECONDS = 40.0
_ENDED = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a message or an error, and the nonce for the next call."""

    message: Message | None
    error: errors.DispatchError | None
    next_nonce: bytes


def headers_of(
    metadata: Metadata, *, media: str = "application/proto", origin: str | None = PAGE
) -> list[tuple[str, str]]:
    """Write metadata as headers."""
    written = [
        (name, value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("="))
        for name, value in metadata
    ]
    page = [] if origin is None else [("origin", origin)]
    return [("content-type", media), ("connect-protocol-version", "1"), *page, *written]


async def call(server: str, method: str, body: bytes, metadata: Metadata, parse: Parse) -> Answer:
    """Make a unary call."""
    async with httpx.AsyncClient(timeout=_CALL_SECONDS, trust_env=False, verify=TRUSTS_NOBODY) as client:
        response = await client.post(f"http://{server}{method}", content=body, headers=headers_of(metadata))
    assert response.headers["access-control-allow-origin"] == PAGE
    nonce = base64.b64decode(response.headers.get("dispatch-next-nonce-bin", ""))
    if response.status_code == httpx.codes.OK:
        return Answer(parse(response.content), None, nonce)
    return Answer(None, error_of(response.json()), nonce)


@asynccontextmanager
async def follow(server: str, method: str, body: bytes, metadata: Metadata, parse: Parse) -> AsyncIterator[Stream]:
    """Make a call that is answered by a stream."""
    envelope = b"\0" + len(body).to_bytes(4, "big") + body
    media = headers_of(metadata, media="application/connect+proto")
    client = httpx.AsyncClient(timeout=_CALL_SECONDS, trust_env=False, verify=TRUSTS_NOBODY)
    try:
        yield Stream(
            client, client.build_request("POST", f"http://{server}{method}", content=envelope, headers=media), parse
        )
    finally:
        await client.aclose()


class Stream:
    """The answers. It is sent when the first of them is asked for, because that one's coming brings the headers."""

    def __init__(self, client: httpx.AsyncClient, request: httpx.Request, parse: Parse) -> None:
        self._client = client
        self._request = request
        self._parse = parse
        self._chunks: AsyncIterator[bytes] | None = None
        self._buffer = b""

    async def next(self) -> Any:
        """Give the next answer; None at the end. Raises why it ended otherwise."""
        flag, data = await self._envelope()
        if flag != _ENDED:
            return self._parse(data)
        error = json.loads(data).get("error")
        if error:
            raise error_of(error)
        return None

    async def _envelope(self) -> tuple[int, bytes]:
        head = await self._take(5)
        return head[0], await self._take(int.from_bytes(head[1:], "big"))

    async def _take(self, count: int) -> bytes:
        if self._chunks is None:
            response = await self._client.send(self._request, stream=True)
            assert response.status_code == httpx.codes.OK, response.status_code
            self._chunks = response.aiter_bytes()
        while len(self._buffer) < count:
            self._buffer += await anext(self._chunks)
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


def error_of(said: dict[str, Any]) -> errors.DispatchError:
    """Read a Connect error with our details; without them it is no refusal of ours, and a test hears so."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in said.get("details", ()):
        value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
        {"google.rpc.ErrorInfo": info, "google.rpc.RetryInfo": retry}[detail["type"]].ParseFromString(value)
    assert info.domain == DOMAIN, said
    error = errors.of_word(
        info.reason,
        said.get("message", ""),
        retry_after_ms=retry.retry_delay.ToMilliseconds(),
        metadata=dict(info.metadata),
    )
    assert said["code"] == error.code.value.lower()
    return error
