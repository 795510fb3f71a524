"""Serves the page at loopback until it is told to stop. Called by `dispatch-host status --page`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

from dispatch.address import Address
from dispatch.ids import Rng
from dispatch.runtime.server import stop_signal
from dispatch.runtime.web_server import WebServer
from dispatch.words import Words

from dispatch_host.page.doing import Warn
from dispatch_host.page.live import Desk
from dispatch_host.page.site import site

_LOOPBACK = "127.0.0.1"
_TOKEN_BYTES = 32
_CONNECTIONS = 16
_GRACE_SECONDS = 1.0


async def serve(
    desk: Desk,
    words: Words,
    *,
    warn: Warn,
    port: int,
    rng: Rng,
    serving: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, or `stop`. `serving` hears the address, which lets in whoever has it. Raises OSError."""
    stopping = stop_signal() if stop is None else stop
    token = base64.urlsafe_b64encode(rng(_TOKEN_BYTES)).decode().rstrip("=")
    server = WebServer(certificate=None, connections=_CONNECTIONS)
    bound = server.bind(Address(host=_LOOPBACK, port=port))
    app = site(desk, words, warn=warn, port=bound.port, token=token)
    await server.start(app, behind_proxy=False, grace_seconds=_GRACE_SECONDS)
    try:
        serving(f"http://{bound}/#{token}")
        await stopping.wait()
    finally:
        await server.stop()
