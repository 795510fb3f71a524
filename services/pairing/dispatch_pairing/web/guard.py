"""What every request must pass before a page sees it, and what every answer says to the browser. Knows no account.

An ASGI middleware around all of the site. `judge` and `read_body` decide; docs/account-page.md explains each header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from dispatch.runtime.origins import host_of, same_origin
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING = frozenset({"GET", "HEAD"})
FORM = "application/x-www-form-urlencoded"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READ_BYTES_MOST = 1_024 * 1_024
_HSTS = "max-age=31536000"


class Turned(StrEnum):
    """Why a request was turned away before its page saw it: a metric label each."""

    HOST = "host"
    CROSS_SITE = "cross_site"
    FORM_TOKEN = "form_token"  # noqa: S105 -- a reason's word
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    MEDIA_TYPE = "media_type"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _ANSWERS[self][0]

    @property
    def sentence(self) -> str:
        """What a person reads."""
        return _ANSWERS[self][1]


_ANSWERS = {
    Turned.HOST: (421, "This service does not go by the name that your browser asked for."),
    Turned.CROSS_SITE: (403, "This was sent from another site, so nothing was changed."),
    Turned.FORM_TOKEN: (403, "This form is too old or is not from this page, so nothing was changed."),
    Turned.TOO_LARGE: (413, "This is more than the form can send. Nothing was changed."),
    Turned.TOO_SLOW: (408, "The form did not arrive in time. Nothing was changed."),
    Turned.MEDIA_TYPE: (415, "Only forms of this page are taken here. Nothing was changed."),
}


def judge(
    method: str, headers: Mapping[str, str], *, scheme: str, names: frozenset[str], limit_bytes: int
) -> Turned | None:
    """Decide from a request's head whether it may come in. Pure; None means yes. Header names are in lower case.

    Browsers say "null" as the origin of our own forms, because our pages send no referrer; then Sec-Fetch-Site tells, and
    with a browser that is too old to send that, the token in the form does.
    """
    host = headers.get("host", "")
    if host_of(host) not in names:
        return Turned.HOST
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > limit_bytes:
        return Turned.TOO_LARGE
    if method in READING:
        return None
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return Turned.CROSS_SITE
    origin = headers.get("origin", "null")
    if origin != "null" and not same_origin(origin, scheme=scheme, host=host):
        return Turned.CROSS_SITE
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return Turned.MEDIA_TYPE
    return None


class Guard:
    """Turns away what may not come in, and adds the headers of `_HEADERS` to every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: frozenset[str],
        limit_bytes: int,
        read_ms: int,
        turn_away: Callable[[Turned], Response],
    ) -> None:
        """Take hosts by which the page may be asked for; `turn_away` counts and gives the page that says no."""
        self._app = app
        self._names = names
        self._limit_bytes = limit_bytes
        self._read_ms = read_ms
        self._turn_away = turn_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        scheme, headers, send_guarded = scope["scheme"], Headers(scope=scope), answering_with(_HEADERS, scope, send)
        turned = judge(scope["method"], headers, scheme=scheme, names=self._names, limit_bytes=self._limit_bytes)
        body = b""
        if scope["method"] not in READING:
            # Also of one that is turned away: who hears nothing but a reset does not know why.
            read = await read_body(receive, limit_bytes=self._limit_bytes, within_ms=self._read_ms)
            if isinstance(read, Turned):
                turned = turned or read
            else:
                body = read
        if turned is not None:
            answer = self._turn_away(turned)
            # Whatever else comes on this connection is not read.
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send_guarded)
            return
        await self._app(scope, replayed(body, receive), send_guarded)


def answering_with(headers: Mapping[str, str], scope: Scope, send: Send) -> Send:
    """Give a `send` that adds these headers to the answer, and over TLS that the browser is to stay with it."""
    added = {**headers, "Strict-Transport-Security": _HSTS} if scope["scheme"] == "https" else headers

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(added)
        await send(message)

    return send_guarded


async def read_body(receive: Receive, *, limit_bytes: int, within_ms: int) -> bytes | Turned:
    """Read a request's whole body, in time. Half a form is none: whoever hangs up in the middle changes nothing.

    What is too large is read a while longer and thrown away, so that the browser hears the answer.
    """
    try:
        async with asyncio.timeout(within_ms / 1_000):
            return await _read_to_the_end(receive, limit_bytes=limit_bytes)
    except TimeoutError:
        return Turned.TOO_SLOW


async def _read_to_the_end(receive: Receive, *, limit_bytes: int) -> bytes | Turned:
    body, read_bytes = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return Turned.TOO_SLOW
        read_bytes += len(message.get("body", b""))
        if read_bytes <= limit_bytes:
            body += message.get("body", b"")
        if not message.get("more_body", False) or read_bytes > _READ_BYTES_MOST:
            return bytes(body) if read_bytes <= limit_bytes else Turned.TOO_LARGE


def replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Give the body again to who comes behind a guard, and then whatever else comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
