"""Serves browsers: the account page, and calls from the pages that may. Called by `app`, when the operator says where."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from dispatch.address import Address
from dispatch.runtime.origins import host_of
from dispatch.runtime.peer import Proxies

from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.method import Feed, Method
from dispatch_pairing.door import own_names
from dispatch_pairing.ground import Ground
from dispatch_pairing.listeners import Listeners, WebListener
from dispatch_pairing.parts import Parts
from dispatch_pairing.web.provider import Provider


@asynccontextmanager
async def for_browsers(
    web: WebListener | None,
    listeners: Listeners,
    ground: Ground,
    parts: Parts,
    *,
    desk: Desk,
    methods: Sequence[Method | Feed],
    door_names: set[str],
    advertise: Iterable[str],
    proxies: Proxies,
    provider: Provider | None,
    grace_seconds: float,
) -> AsyncIterator[Address | None]:
    """Serve until the block ends; gives the address really bound, which is added to the names of the door. Raises OSError.

    Without `web` there is none, and nothing is served.
    """
    if web is None:
        yield None
        return
    # Only here: what they import takes a start most of a second.
    from dispatch.runtime.web_server import WebServer  # noqa: PLC0415

    from dispatch_pairing.web.app import account_page, with_calls  # noqa: PLC0415
    from dispatch_pairing.web.forwarded import Forwarded  # noqa: PLC0415

    certificate = listeners.web_certificate
    server = WebServer(certificate=certificate, connections=ground.limits.web_connections)
    address = server.bind(web.listen)
    ours = own_names(address, advertise)
    door_names |= ours
    names = frozenset(host_of(name) for name in ours)
    app = account_page(ground, parts, provider=provider, names=names)
    if web.origins.listed:
        app = with_calls(
            app,
            desk=desk,
            methods=methods,
            origins=web.origins,
            names=names,
            limits=ground.limits,
            metrics=ground.metrics,
            call_metrics=listeners.calls,
        )
    behind_proxy = certificate is None and address.is_loopback
    await server.start(Forwarded(app, proxies=proxies), behind_proxy=behind_proxy, grace_seconds=grace_seconds)
    try:
        yield address
    finally:
        await server.stop()
