"""Wires the service together, top to bottom, and runs it. Called by cli.py and by tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace

from dispatch import GRPC_EXPERIMENTS
from dispatch.address import Address
from dispatch.clock import Clock, SystemClock
from dispatch.ids import Rng
from dispatch.runtime.bus import BusOptions
from dispatch.runtime.certificate import CertificateFiles
from dispatch.runtime.logs import get_logger
from dispatch.runtime.peer import Proxies
from prometheus_client import CollectorRegistry

from dispatch_pairing.api import grpc_calls
from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.method import FOR_DEVICES, FOR_SERVICES
from dispatch_pairing.bell import Bell
from dispatch_pairing.browsers import for_browsers
from dispatch_pairing.bus_bell import BusBell
from dispatch_pairing.counting import count, recounting
from dispatch_pairing.door import Door, own_names
from dispatch_pairing.forgetting import forgetting
from dispatch_pairing.ground import Ground, settle_name
from dispatch_pairing.limits import Limits
from dispatch_pairing.listeners import Listeners, ServicesListener, WebListener, check
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.nonces import Nonces
from dispatch_pairing.oidc.provider import Provider
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.parts import Parts, WaysIn, make_parts, methods, ways_in
from dispatch_pairing.passwords import Cost, Passwords
from dispatch_pairing.policy import Policy
from dispatch_pairing.relays import Relays
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.storage import Storage
from dispatch_pairing.web.provider import Provider as WebProvider

_GRACE_SECONDS = 3.0
_LEFT_BEHIND_SECONDS = 0.5
"""How long answers may take, behind that, whose callers have gone."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator says."""

    listen: Address
    storage: Storage
    bus: BusOptions | None = None
    """What carries the bell to the other services on the same database; None: there are none."""
    relay: str | None = None
    """The relay handed to devices; None means those that follow the trust feed."""
    web_relay: str | None = None
    """The same for browsers."""
    metrics: Address | None = None
    advertise: tuple[str, ...] = ()
    """Further addresses that callers may dial."""
    name: str | None = None
    """What the service calls itself from its first start on; None: the first advertised address, or the one listened on."""
    certificate: CertificateFiles | None = None
    """What devices are shown; None: they are spoken to in the clear, which is for this computer alone."""
    services: ServicesListener | None = None
    """Where relays connect; None: where devices do."""
    web: WebListener | None = None
    """Where browsers come: to the account page, and with calls; None: nowhere."""
    plaintext: bool = False
    """Whether to speak in the clear off this computer."""
    proxies: Proxies = field(default_factory=Proxies)
    """Whose word on where a caller comes from is believed."""
    policy: Policy = field(default_factory=Policy)
    provider: ProviderSettings | None = None
    """Where people may sign in besides here; None: nowhere."""
    grant_ms: int | None = None
    """How long grants are good; None: as the limits have it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service that listens."""

    address: Address
    services: Address | None
    """Where relays connect, if not at `address`."""
    metrics: Address | None
    web: Address | None
    service_name: str
    bell: Bell
    """Rung by a test that sets the clock."""


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    clock: Clock | None = None,
    rng: Rng = os.urandom,
    limits: Limits | None = None,
    cost: Cost | None = None,
    web_provider: WebProvider | None = None,
) -> AsyncIterator[Running]:
    """Run the service until the block ends. Raises ValueError and OSError for addresses, StoreFailed, HomeInUse."""
    clock = clock or SystemClock()
    limits = limits or Limits()
    if settings.grant_ms is not None:
        limits = replace(limits, grant_ms=settings.grant_ms)
    check(
        settings.listen,
        certificate=settings.certificate,
        services=settings.services,
        metrics=settings.metrics,
        web=settings.web,
        plaintext=settings.plaintext,
    )
    storage = settings.storage
    storage.make_folders()
    with storage.held():
        store = await storage.open()
        passwords = Passwords(rng=rng, cost=cost or Cost(), waiting=limits.passwords_waiting)
        try:
            registry = CollectorRegistry()
            metrics = Metrics(registry)
            async with _provider(settings.provider, clock=clock, metrics=metrics) as provider:
                listeners = _listeners(settings, registry)
                address = listeners.bind(settings.listen)
                bus = None if settings.bus is None else BusBell(settings.bus)
                bell = Bell() if bus is None else bus.bell
                if bus is not None:
                    metrics.bus_away.set_function(bus.is_away)
                keys = await SigningKeys.open(
                    store=store, folder=storage.keys, clock=clock, rng=rng, limits=limits, bell=bell
                )
                dialled = settings.advertise[0] if settings.advertise else str(address)
                ground = Ground(
                    store=store,
                    bell=bell,
                    keys=keys,
                    clock=clock,
                    rng=rng,
                    limits=limits,
                    policy=settings.policy,
                    metrics=metrics,
                    service_name=await settle_name(store, named=settings.name, instead=dialled, clock=clock),
                )
                await count(ground)
                parts = make_parts(ground, passwords=passwords)
                ways = ways_in(provider, ground, parts, web=web_provider)
                async with _serving(settings, ground, parts, listeners, address, ways=ways, bus=bus) as service:
                    yield service
        finally:
            passwords.close()
            await store.close()


def _provider(
    settings: ProviderSettings | None, *, clock: Clock, metrics: Metrics
) -> AbstractAsyncContextManager[Provider | None]:
    return nullcontext() if settings is None else Provider.opened(settings, clock=clock, metrics=metrics)


def _listeners(settings: Settings, registry: CollectorRegistry) -> Listeners:
    return Listeners(
        registry,
        certificate=settings.certificate,
        services=settings.services,
        web=settings.web,
        for_devices=FOR_DEVICES,
        for_services=FOR_SERVICES,
    )


@asynccontextmanager
async def _serving(
    settings: Settings,
    ground: Ground,
    parts: Parts,
    listeners: Listeners,
    address: Address,
    *,
    ways: WaysIn,
    bus: BusBell | None,
) -> AsyncIterator[Running]:
    """Serve what is called, and do what goes on beside, until the block ends."""
    limits, metrics = ground.limits, ground.metrics
    # Those of the listener for browsers come when its port is known.
    names = set(own_names(address, settings.advertise))
    nonces = Nonces(stamp=ground.keys.stamp("nonce"), lifetime_ms=limits.nonce_ms)
    door = Door(store=ground.store, clock=ground.clock, limits=limits, nonces=nonces, names=names, metrics=metrics)
    desk = Desk(door=door, limits=limits, metrics=metrics)
    relays = Relays(
        fixed=settings.relay, fixed_web=settings.web_relay, seen_ms=limits.relay_seen_ms, limit=limits.relays
    )
    for_devices, for_services = methods(ground, parts, relays=relays, ways=ways)
    listeners.add(
        for_devices=grpc_calls.handlers(desk, for_devices, proxies=settings.proxies),
        for_services=grpc_calls.handlers(desk, for_services, proxies=settings.proxies),
    )
    measured = listeners.serve_metrics(settings.metrics)
    await listeners.start()
    _log.info(
        "serving",
        address=str(address),
        tls=settings.certificate is not None,
        services=str(listeners.services or address),
        name=ground.service_name,
        provider=None if settings.provider is None else settings.provider.issuer,
        grpc_experiments=GRPC_EXPERIMENTS,
    )
    watching = [asyncio.create_task(work) for work in _works(ground, several=settings.storage.database is not None)]
    try:
        async with (
            nullcontext() if bus is None else bus.on(),
            for_browsers(
                settings.web,
                listeners,
                ground,
                parts,
                desk=desk,
                methods=for_devices,
                door_names=names,
                advertise=settings.advertise,
                proxies=settings.proxies,
                provider=ways.web,
                grace_seconds=_GRACE_SECONDS,
            ) as web,
        ):
            yield Running(
                address=address,
                services=listeners.services,
                metrics=measured,
                web=web,
                service_name=ground.service_name,
                bell=ground.bell,
            )
            # Else the listener for browsers would wait out its grace for who follows an offer.
            await listeners.drain()
            ground.bell.close()
    finally:
        await listeners.drain()
        ground.bell.close()
        await asyncio.gather(*watching)
        await listeners.stop(grace_seconds=_GRACE_SECONDS)
        await desk.finish(grace_seconds=_LEFT_BEHIND_SECONDS)
        _log.info("stopped")


def _works(ground: Ground, *, several: bool) -> Iterator[Coroutine[object, object, None]]:
    """Give what goes on until the bell is closed."""
    yield ground.keys.watch()
    yield forgetting(ground.store, clock=ground.clock, limits=ground.limits, bell=ground.bell)
    if several:
        yield recounting(ground)
