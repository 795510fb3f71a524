"""Serves the bundle over TLS, with the headers that docs/web-phone.md "What keeps others out" asks for."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence

from aiohttp import web

from deploy.web.bundle import Served

PAGE = "index.html"


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


def application(bundle: Mapping[str, Served], *, services: Sequence[str] = ()) -> web.Application:
    """Make the site. It answers GET and HEAD of the files that there are, and nothing else."""
    always = headers(services)

    async def answer(request: web.Request) -> web.Response:
        served = bundle.get(request.match_info["name"] or PAGE)
        if served is None or request.method not in {"GET", "HEAD"}:
            return web.Response(status=404 if served is None else 405, headers=always)
        found = {**always, "ETag": served.tag, "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == served.tag:
            return web.Response(status=304, headers=found)
        found["Content-Type"] = served.kind
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=served.packed, headers={**found, "Content-Encoding": "gzip"})
        return web.Response(body=served.content, headers=found)

    site = web.Application()
    site.router.add_route("*", "/{name:.*}", answer)
    return site


async def serve(
    site: web.Application, *, host: str, port: int, certificate: str, key: str
) -> tuple[web.AppRunner, int]:
    """Listen; gives the runner, to be cleaned up by the caller, and the port. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    runner = web.AppRunner(site, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]
