"""What a call of a browser must pass before it is read: which name it was made by, from which page, and how large it is.

`judge` decides and is pure; `CallsGuard` is the ASGI middleware around `Calls`. docs/web.md "Origins".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dispatch.runtime.origins import Origins, host_of
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch_pairing.door import DEVICE, DIALLED, NEXT_NONCE, NONCE, PROOF, SESSION
from dispatch_pairing.web.guard import Turned, answering_with, read_body, replayed

MEDIA = frozenset({"application/proto", "application/connect+proto"})
_PREFLIGHT_SECONDS = 7_200
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def judge(
    method: str, headers: Mapping[str, str], *, names: frozenset[str], origins: Origins, limit_bytes: int
) -> Turned | None:
    """Decide from a request's head whether it may be a call; None means yes. Header names are in lower case.

    Who names no origin is no browser: it has no page that could misuse it, and shows the same proofs.
    """
    if host_of(headers.get("host", "")) not in names:
        return Turned.HOST
    origin = headers.get("origin")
    if origin is not None and not origins.allow(origin):
        return Turned.CROSS_SITE
    if method == "OPTIONS":
        return None
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > limit_bytes:
        return Turned.TOO_LARGE
    if headers.get("content-type", "").partition(";")[0].strip().lower() not in MEDIA:
        return Turned.MEDIA_TYPE
    return None


class CallsGuard:
    """Turns away what may not come in, answers the browser's question beforehand, and adds headers to every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: frozenset[str],
        origins: Origins,
        limit_bytes: int,
        read_ms: int,
        count: Callable[[Turned], None],
    ) -> None:
        """Take hosts by which calls may be made, and the origins of the pages that may."""
        self._app = CORSMiddleware(
            app,
            allow_origins=sorted(origins.listed),
            allow_methods=["POST"],
            allow_headers=[
                "content-type", "connect-protocol-version", "connect-timeout-ms", DEVICE, DIALLED, NONCE, PROOF, SESSION,
            ],
            expose_headers=[NEXT_NONCE],
            max_age=_PREFLIGHT_SECONDS,
        )  # fmt: skip
        self._names = names
        self._origins = origins
        self._limit_bytes = limit_bytes
        self._read_ms = read_ms
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        method, headers, send_guarded = scope["method"], Headers(scope=scope), answering_with(_HEADERS, scope, send)
        turned = judge(method, headers, names=self._names, origins=self._origins, limit_bytes=self._limit_bytes)
        body: bytes | Turned = turned or b""
        if turned is None and method != "OPTIONS":
            body = await read_body(receive, limit_bytes=self._limit_bytes, within_ms=self._read_ms)
        if isinstance(body, Turned):
            self._count(body)
            # Whatever else comes on this connection is not read.
            away = Response(status_code=body.status, headers={"Connection": "close"})
            await away(scope, receive, send_guarded)
            return
        # What is behind reads headers as UTF-8 and fails on others; of ours none has anything but ASCII.
        readable = [(name, value) for name, value in scope["headers"] if value.isascii()]
        await self._app({**scope, "headers": readable}, replayed(body, receive), send_guarded)
