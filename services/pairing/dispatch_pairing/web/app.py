"""Wires together what browsers come for: the account page, and calls. Called by the service's app.py, when it is to serve them."""

from __future__ import annotations

from collections.abc import Iterable

from dispatch.runtime.logs import get_logger
from dispatch.runtime.metrics import CallMetrics
from dispatch.runtime.origins import Origins
from starlette.types import ASGIApp

from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.method import Feed, Method
from dispatch_pairing.ground import Ground
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.parts import Parts
from dispatch_pairing.web.account import AccountPages
from dispatch_pairing.web.calls_guard import CallsGuard
from dispatch_pairing.web.devices import DevicePages
from dispatch_pairing.web.front import Front
from dispatch_pairing.web.guard import Turned
from dispatch_pairing.web.provider import Provider
from dispatch_pairing.web.render import Renderer
from dispatch_pairing.web.requests import RequestPages
from dispatch_pairing.web.sessions import Sessions
from dispatch_pairing.web.signing import Signing
from dispatch_pairing.web.site import Site
from dispatch_pairing.web.tasks import TaskPages

_log = get_logger()


def account_page(ground: Ground, parts: Parts, *, provider: Provider | None, names: frozenset[str]) -> ASGIApp:
    """Give the page as an ASGI application. `names` are the hosts by which it may be asked for."""
    store, clock, limits, metrics = ground.store, ground.clock, ground.limits, ground.metrics
    renderer = Renderer(service_name=ground.service_name)
    sessions = Sessions(store=store, clock=clock, rng=ground.rng, limits=limits, stamp=ground.keys.stamp("web form"))
    pages = (
        Signing(
            credentials=parts.credentials,
            sessions=sessions,
            store=store,
            renderer=renderer,
            metrics=metrics,
            provider=provider,
        ),
        DevicePages(devices=parts.devices, renderer=renderer),
        RequestPages(ceremony=parts.ceremony, store=store, clock=clock, renderer=renderer),
        TaskPages(history=parts.history, devices=parts.devices, limits=limits, renderer=renderer),
        AccountPages(
            credentials=parts.credentials,
            sessions=sessions,
            store=store,
            bell=ground.bell,
            clock=clock,
            limits=limits,
            metrics=metrics,
            renderer=renderer,
        ),
    )
    site = Site(
        pages=[page for one in pages for page in one.pages()],
        sessions=sessions,
        renderer=renderer,
        clock=clock,
        limits=limits,
        metrics=metrics,
    )
    return site.app(names=names)


def with_calls(
    page: ASGIApp,
    *,
    desk: Desk,
    methods: Iterable[Method | Feed],
    origins: Origins,
    names: frozenset[str],
    limits: Limits,
    metrics: Metrics,
    call_metrics: CallMetrics,
) -> ASGIApp:
    """Give the page together with the calls that pages of these origins may make."""
    # Only here: what it imports is there in installations for browsers' calls only.
    from dispatch_pairing.web.calls import Calls  # noqa: PLC0415

    # What is a little too large is refused with the reason, what is much too large without.
    limit_bytes = 2 * limits.request_bytes

    def turned_away(why: Turned) -> None:
        metrics.web_turned_away.labels(why.value).inc()
        _log.info("turned away", why=why.value)

    calls = CallsGuard(
        Calls(desk, methods, limit_bytes=limit_bytes, metrics=call_metrics),
        names=names,
        origins=origins,
        limit_bytes=limit_bytes,
        read_ms=limits.web_read_ms,
        count=turned_away,
    )
    return Front(page, calls)
