"""What every request must pass before the page's code sees it, and what every answer says to the browser.

docs/host-page.md "Who may use it". `judge` decides and is pure; `Guard` is the ASGI middleware around it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ASSETS = frozenset({"/", "/page.js", "/page.css", "/words.json"})
"""What is the same for everybody, and shows nothing."""
LIMIT_BYTES = 64 * 1_024
_JSON = "application/json"
_BEARER = "Bearer "

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none';"
        " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Turned(StrEnum):
    """Why a request was turned away. The value is all that the answer says."""

    HOST = "host"
    CROSS_SITE = "cross_site"
    TOKEN = "token"  # noqa: S105 -- a reason's word
    MEDIA_TYPE = "media_type"
    TOO_LARGE = "too_large"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS[self]


_STATUS = {
    Turned.HOST: 421,
    Turned.CROSS_SITE: 403,
    Turned.TOKEN: 403,
    Turned.MEDIA_TYPE: 415,
    Turned.TOO_LARGE: 413,
}


def judge(method: str, path: str, headers: Mapping[str, str], *, port: int, token: str) -> Turned | None:
    """Decide from a request's head whether it may come in; None means yes. Header names are in lower case.

    The token is looked at last: who comes from another site does not learn whether it knows one.
    """
    host = headers.get("host", "")
    if host not in {f"127.0.0.1:{port}", f"localhost:{port}"}:
        return Turned.HOST
    if method in {"GET", "HEAD"} and path in ASSETS:
        return None
    if headers.get("sec-fetch-site", "same-origin") != "same-origin" or headers.get("origin", "") != f"http://{host}":
        return Turned.CROSS_SITE
    if not hmac.compare_digest(headers.get("authorization", "").encode(), f"{_BEARER}{token}".encode()):
        return Turned.TOKEN
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        return Turned.MEDIA_TYPE
    length = headers.get("content-length", "")
    if not length.isdecimal() or int(length[:12]) > LIMIT_BYTES:
        return Turned.TOO_LARGE
    return None


class Guard:
    """Turns away what may not come in, and adds the headers of `_HEADERS` to every answer."""

    def __init__(self, app: ASGIApp, *, port: int, token: str) -> None:
        self._app = app
        self._port = port
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        turned = judge(scope["method"], scope["path"], _single(scope), port=self._port, token=self._token)
        if turned is None:
            await self._app(scope, _bounded(receive), send_guarded)
            return
        answer = PlainTextResponse(turned.value, status_code=turned.status, headers={"Connection": "close"})
        await answer(scope, receive, send_guarded)


def _single(scope: Scope) -> dict[str, str]:
    """Give the headers by their names. One that came twice is as both together, which nothing here is compared to."""
    headers = Headers(scope=scope)
    return {name: ", ".join(headers.getlist(name)) for name in headers}


def _bounded(receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Hold a body to its bound, whatever its head said of it."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if read > LIMIT_BYTES else message

    return bounded
