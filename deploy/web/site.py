"""Serves the bundle over TLS, with the headers that docs/web-phone.md "What keeps others out" asks for."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from dispatch.address import Address
from dispatch.runtime.web_server import WebServer

from deploy.web.bundle import Served

PAGE = "index.html"
CONNECTIONS = 512
_GRACE_SECONDS = 1.0

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Site = Callable[[_Scope, _Receive, _Send], Awaitable[None]]
"""An ASGI application."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What browsers are shown: PEM files, read when it starts."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Read them. Raises OSError, ssl.SSLError."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def headers(services: Sequence[str]) -> dict[str, str]:
    """Give what goes with every answer. `services`: the HOST:PORT that the page may talk to; none for any over TLS."""
    to = " ".join(f"https://{one} wss://{one}" for one in services) or "https: wss:"
    policy = (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "media-src 'self' blob:"),
        *(f"connect-src 'self' {to}", "manifest-src 'self'", "worker-src 'self'"),
        *("form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"),
        *("require-trusted-types-for 'script'", "trusted-types dispatch-worker"),
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Strict-Transport-Security": "max-age=31536000",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Cache-Control": "no-cache",
    }


def application(bundle: Mapping[str, Served], *, services: Sequence[str] = ()) -> Site:
    """Make the site. It answers GET and HEAD of the files that there are, and nothing else."""
    always = headers(services)

    async def site(scope: _Scope, _: _Receive, send: _Send) -> None:
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        served = bundle.get(scope["path"].removeprefix("/") or PAGE)
        status, more, body = _answer(served, scope["method"], asked)
        said = {**always, **more, "Content-Length": str(len(body))}
        lines = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        # The server leaves it out where HEAD asked.
        await send({"type": "http.response.body", "body": body})

    return site


def _answer(served: Served | None, method: str, asked: Mapping[bytes, str]) -> tuple[HTTPStatus, dict[str, str], bytes]:
    """Decide about a request; gives the status, the headers beside those of every answer, and the body. Pure."""
    if served is None:
        return HTTPStatus.NOT_FOUND, {}, b""
    if method not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED, {}, b""
    found = {"ETag": served.tag, "Vary": "Accept-Encoding"}
    if asked.get(b"if-none-match") == served.tag:
        return HTTPStatus.NOT_MODIFIED, found, b""
    found["Content-Type"] = served.kind
    if "gzip" in asked.get(b"accept-encoding", ""):
        return HTTPStatus.OK, {**found, "Content-Encoding": "gzip"}, served.packed
    return HTTPStatus.OK, found, served.content


async def serve(
    site: Site, *, listen: Address, keys: Keys, connections: int = CONNECTIONS
) -> tuple[WebServer, Address]:
    """Listen; gives the server, to be stopped by the caller, and the address really bound. Raises OSError, ssl.SSLError."""
    server = WebServer(certificate=keys, connections=connections)
    bound = server.bind(listen)
    try:
        await server.start(site, behind_proxy=False, grace_seconds=_GRACE_SECONDS)
    except BaseException:
        await server.stop()
        raise
    return server, bound
