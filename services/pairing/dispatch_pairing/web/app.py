"""Wires the account page together. Called by the service's app.py, when it is to serve one."""

from __future__ import annotations

from dispatch.clock import Clock
from dispatch.ids import Rng
from starlette.types import ASGIApp

from dispatch_pairing.bell import Bell
from dispatch_pairing.ceremony import Ceremony
from dispatch_pairing.credentials import Credentials
from dispatch_pairing.devices import Devices
from dispatch_pairing.history import History
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.store import Store
from dispatch_pairing.web.account import AccountPages
from dispatch_pairing.web.devices import DevicePages
from dispatch_pairing.web.provider import Provider
from dispatch_pairing.web.render import Renderer
from dispatch_pairing.web.requests import RequestPages
from dispatch_pairing.web.sessions import Sessions
from dispatch_pairing.web.signing import Signing
from dispatch_pairing.web.site import Site
from dispatch_pairing.web.tasks import TaskPages


def account_page(
    *,
    store: Store,
    bell: Bell,
    clock: Clock,
    rng: Rng,
    limits: Limits,
    metrics: Metrics,
    credentials: Credentials,
    devices: Devices,
    history: History,
    ceremony: Ceremony,
    provider: Provider | None,
    form_key: bytes,
    service_name: str,
    names: frozenset[str],
) -> ASGIApp:
    """Give the page as an ASGI application. `names` are the hosts by which it may be asked for."""
    renderer = Renderer(service_name=service_name)
    sessions = Sessions(store=store, clock=clock, rng=rng, limits=limits, key=form_key)
    parts = (
        Signing(
            credentials=credentials,
            sessions=sessions,
            store=store,
            renderer=renderer,
            metrics=metrics,
            provider=provider,
        ),
        DevicePages(devices=devices, renderer=renderer),
        RequestPages(ceremony=ceremony, store=store, clock=clock, renderer=renderer),
        TaskPages(history=history, devices=devices, limits=limits, renderer=renderer),
        AccountPages(
            credentials=credentials,
            sessions=sessions,
            store=store,
            bell=bell,
            clock=clock,
            limits=limits,
            metrics=metrics,
            renderer=renderer,
        ),
    )
    site = Site(
        pages=[page for part in parts for page in part.pages()],
        sessions=sessions,
        renderer=renderer,
        clock=clock,
        limits=limits,
        metrics=metrics,
    )
    return site.app(names=names)
