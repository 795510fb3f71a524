"""Wires the service together, top to bottom, and runs it. Called by cli.py and by tests."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from dispatch import GRPC_EXPERIMENTS
from dispatch.address import Address
from dispatch.clock import Clock, SystemClock
from dispatch.errors import Draining, HomeInUse, StoreFailed
from dispatch.ids import Rng
from dispatch.names import service_name as checked_name
from dispatch.runtime.bus import BusOptions
from dispatch.runtime.certificate import CertificateFiles
from dispatch.runtime.logs import get_logger
from dispatch.runtime.origins import host_of
from dispatch.runtime.peer import Proxies
from prometheus_client import CollectorRegistry

from dispatch_pairing.api import grpc_calls
from dispatch_pairing.api.accounts import AccountApi
from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.devices import DeviceApi
from dispatch_pairing.api.federated import FederatedApi
from dispatch_pairing.api.history import HistoryApi
from dispatch_pairing.api.method import FOR_DEVICES, FOR_SERVICES, Feed, Method
from dispatch_pairing.api.pairings import PairingApi
from dispatch_pairing.api.trust import TrustApi
from dispatch_pairing.api.welcome import Welcome
from dispatch_pairing.attempts import Attempts
from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.bus_bell import BusBell
from dispatch_pairing.ceremony import Ceremony
from dispatch_pairing.credentials import Credentials
from dispatch_pairing.devices import Devices
from dispatch_pairing.door import Door, Need, own_names
from dispatch_pairing.forgetting import forgetting
from dispatch_pairing.guesses import Guesses
from dispatch_pairing.history import History
from dispatch_pairing.limits import Limits
from dispatch_pairing.listeners import Listeners, ServicesListener, WebListener, check
from dispatch_pairing.logins import Logins
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.nonces import Nonces
from dispatch_pairing.oidc.device import DeviceSignIns
from dispatch_pairing.oidc.provider import Provider
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.oidc.web import WebSignIns
from dispatch_pairing.pairings import Pairings
from dispatch_pairing.passwords import Cost, Passwords
from dispatch_pairing.policy import Policy, SignUp
from dispatch_pairing.relays import Relays
from dispatch_pairing.sign_ins import SignIns
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.stamp import Stamp
from dispatch_pairing.storage import Storage
from dispatch_pairing.store import Store
from dispatch_pairing.streams import Streams
from dispatch_pairing.trust import Trust
from dispatch_pairing.web.openid import OpenIdProvider
from dispatch_pairing.web.provider import Provider as WebProvider

_LOCK = "serve.lock"
_GRACE_SECONDS = 3.0

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

    # In a database several services are meant: what they must not do at once is kept apart by its locks.
    with _locked(storage.data / _LOCK) if storage.database is None else nullcontext():
        store = await storage.open()
        passwords = Passwords(rng=rng, cost=cost or Cost(), waiting=limits.passwords_waiting)
        try:
            registry = CollectorRegistry()
            metrics = Metrics(registry)
            async with (
                _provider(settings.provider, clock=clock, metrics=metrics) as provider,
                _serving(
                    settings,
                    clock=clock,
                    rng=rng,
                    limits=limits,
                    store=store,
                    passwords=passwords,
                    provider=provider,
                    web_provider=web_provider,
                    registry=registry,
                    metrics=metrics,
                ) as service,
            ):
                yield service
        finally:
            passwords.close()
            await store.close()


def _provider(
    settings: ProviderSettings | None, *, clock: Clock, metrics: Metrics
) -> AbstractAsyncContextManager[Provider | None]:
    return nullcontext() if settings is None else Provider.opened(settings, clock=clock, metrics=metrics)


@asynccontextmanager
async def _serving(
    settings: Settings,
    *,
    clock: Clock,
    rng: Rng,
    limits: Limits,
    store: Store,
    passwords: Passwords,
    provider: Provider | None,
    web_provider: WebProvider | None,
    registry: CollectorRegistry,
    metrics: Metrics,
) -> AsyncIterator[Running]:
    listeners = Listeners(
        registry,
        certificate=settings.certificate,
        services=settings.services,
        web=settings.web,
        for_devices=FOR_DEVICES,
        for_services=FOR_SERVICES,
    )
    address = listeners.bind(settings.listen)
    bus_bell = None if settings.bus is None else BusBell()
    bell = Bell() if bus_bell is None else bus_bell.bell
    if bus_bell is not None:
        metrics.bus_away.set_function(lambda: not bus_bell.there)
    keys = await SigningKeys.open(
        store=store, folder=settings.storage.keys, clock=clock, rng=rng, limits=limits, bell=bell
    )
    service_name = await _name(settings, address, store=store, clock=clock)
    async with store.read() as kept:
        metrics.pairings_active.set(await kept.pairings.count_active())

    relays = Relays(
        fixed=settings.relay, fixed_web=settings.web_relay, seen_ms=limits.relay_seen_ms, limit=limits.relays
    )
    names = set(
        own_names(address, settings.advertise)
    )  # those of the listener for browsers come when its port is known
    door = Door(
        store=store,
        clock=clock,
        limits=limits,
        nonces=Nonces(stamp=keys.stamp("nonce"), lifetime_ms=limits.nonce_ms),
        names=names,
        metrics=metrics,
    )
    streams = Streams(limit=limits.follows)
    rules = settings.policy
    credentials = Credentials(
        store=store,
        passwords=passwords,
        attempts=Attempts(clock=clock, limits=limits),
        clock=clock,
        rng=rng,
        rules=rules,
    )
    sign_ins = SignIns(store=store, clock=clock, rng=rng, limits=limits, rules=rules)
    history = History(store=store, clock=clock, limits=limits, metrics=metrics)
    devices = Devices(store=store, bell=bell, clock=clock, metrics=metrics)
    ceremony = Ceremony(store=store, bell=bell, clock=clock, limits=limits, rules=rules, metrics=metrics)
    federated = None
    if provider is not None:
        newcomers = provider.settings.newcomers or rules.sign_up is SignUp.OPEN
        logins = Logins(store=store, clock=clock, rng=rng, newcomers=newcomers)
        web_sign_ins = WebSignIns(provider=provider, clock=clock, rng=rng, stamp=keys.stamp("web sign-in"))
        web_provider = web_provider or OpenIdProvider(
            issuer=provider.settings.issuer, sign_ins=web_sign_ins, logins=logins
        )
        federated = DeviceSignIns(
            provider=provider,
            logins=logins,
            sign_ins=sign_ins,
            clock=clock,
            rng=rng,
            limits=limits,
        )
    welcome = Welcome(keys=keys, service_name=service_name, clock=clock)
    apis = (
        AccountApi(credentials=credentials, sign_ins=sign_ins, welcome=welcome, metrics=metrics),
        FederatedApi(sign_ins=federated, welcome=welcome, metrics=metrics),
        PairingApi(
            ceremony=ceremony,
            guesses=Guesses(clock=clock, limits=limits),
            pairings=Pairings(
                store=store,
                bell=bell,
                clock=clock,
                limits=limits,
                rules=rules,
                keys=keys,
                relays=relays,
                service_name=service_name,
                metrics=metrics,
            ),
            sign_ins=sign_ins,
            streams=streams,
            keys=keys,
            clock=clock,
            metrics=metrics,
        ),
        DeviceApi(devices=devices, history=history),
        HistoryApi(history=history),
        TrustApi(
            trust=Trust(store=store, bell=bell, clock=clock, limits=limits, relays=relays, metrics=metrics),
            streams=streams,
            keys=keys,
        ),
    )
    desk = Desk(door=door, limits=limits, metrics=metrics)
    methods = [method for api in apis for method in api.methods()]
    listeners.add(
        for_devices=grpc_calls.handlers(
            desk, (one for one in methods if one.need is not Need.SERVICE), proxies=settings.proxies
        ),
        for_services=grpc_calls.handlers(
            desk, (one for one in methods if one.need is Need.SERVICE), proxies=settings.proxies
        ),
    )

    measured = listeners.serve_metrics(settings.metrics)
    await listeners.start()
    _log.info(
        "serving",
        address=str(address),
        tls=settings.certificate is not None,
        services=str(listeners.services or address),
        name=service_name,
        provider=None if provider is None else provider.settings.issuer,
        grpc_experiments=GRPC_EXPERIMENTS,
    )
    watching = [
        asyncio.create_task(keys.watch()),
        asyncio.create_task(forgetting(store, clock=clock, limits=limits, bell=bell)),
    ]
    if settings.storage.database is not None:
        watching.append(asyncio.create_task(_recount(store, bell=bell, limits=limits, metrics=metrics)))
    try:
        async with (
            nullcontext() if bus_bell is None or settings.bus is None else bus_bell.on(settings.bus),
            _for_browsers(
                settings,
                listeners,
                desk=desk,
                methods=[one for one in methods if one.need is not Need.SERVICE],
                door_names=names,
                store=store,
                bell=bell,
                clock=clock,
                rng=rng,
                limits=limits,
                metrics=metrics,
                credentials=credentials,
                devices=devices,
                history=history,
                ceremony=ceremony,
                form_stamp=keys.stamp("web form"),
                service_name=service_name,
                web_provider=web_provider,
            ) as web,
        ):
            yield Running(
                address=address,
                services=listeners.services,
                metrics=measured,
                web=web,
                service_name=service_name,
                bell=bell,
            )
            # Else the listener for browsers would wait out its grace for who follows an offer.
            await listeners.drain()
            bell.close()
    finally:
        await listeners.drain()
        bell.close()
        await asyncio.gather(*watching)
        await listeners.stop(grace_seconds=_GRACE_SECONDS)
        _log.info("stopped")


@asynccontextmanager
async def _for_browsers(
    settings: Settings,
    listeners: Listeners,
    *,
    desk: Desk,
    methods: Sequence[Method | Feed],
    door_names: set[str],
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
    form_stamp: Stamp,
    service_name: str,
    web_provider: WebProvider | None,
) -> AsyncIterator[Address | None]:
    """Serve the account page, and calls from the pages that may, until the block ends; gives the address if there is one."""
    if settings.web is None:
        yield None
        return
    # Only here: what they import takes a start most of a second.
    from dispatch.runtime.web_server import WebServer  # noqa: PLC0415

    from dispatch_pairing.web.app import account_page, with_calls  # noqa: PLC0415
    from dispatch_pairing.web.forwarded import Forwarded  # noqa: PLC0415

    certificate = listeners.web_certificate
    server = WebServer(certificate=certificate, connections=limits.web_connections)
    address = server.bind(settings.web.listen)
    door_names |= own_names(address, settings.advertise)
    names = frozenset(host_of(name) for name in own_names(address, settings.advertise))
    app = account_page(
        store=store,
        bell=bell,
        clock=clock,
        rng=rng,
        limits=limits,
        metrics=metrics,
        credentials=credentials,
        devices=devices,
        history=history,
        ceremony=ceremony,
        provider=web_provider,
        form_stamp=form_stamp,
        service_name=service_name,
        names=names,
    )
    if settings.web.origins.listed:
        app = with_calls(
            app,
            desk=desk,
            methods=methods,
            origins=settings.web.origins,
            names=names,
            limits=limits,
            metrics=metrics,
            call_metrics=listeners.calls,
        )
    behind_proxy = certificate is None and address.is_loopback
    await server.start(
        Forwarded(app, proxies=settings.proxies), behind_proxy=behind_proxy, grace_seconds=_GRACE_SECONDS
    )
    try:
        yield address
    finally:
        await server.stop()


async def _recount(store: Store, *, bell: Bell, limits: Limits, metrics: Metrics) -> None:
    # Pairings come and go at the other services as well; and the database does, also while nobody calls.
    with bell.listen(TRUST) as ear, suppress(Draining):
        while True:
            ear.clear()
            try:
                async with store.read() as kept:
                    metrics.pairings_active.set(await kept.pairings.count_active())
                metrics.database_away.set(0)
            except StoreFailed:
                metrics.database_away.set(1)
            await ear.wait(at_most_ms=limits.look_again_ms)


async def _name(settings: Settings, address: Address, *, store: Store, clock: Clock) -> str:
    # The name is for good: codes on screens and attestations hold on to it.
    async with store.write() as kept:
        identity = await kept.service.identity()
        name = identity.service_name
        if name is None:
            name = checked_name(settings.name or (settings.advertise[0] if settings.advertise else str(address)))
        elif settings.name not in (None, name):
            raise ValueError(f"this service is called {name!r} since its first start, and what devices signed says so")
        # After a restore the count goes on above everything that was told before.
        sequence = max(identity.sequence, clock.wall_ms())
        await kept.service.put_identity(replace(identity, service_name=name, sequence=sequence))
    return name


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    # Two processes on one folder would not hear each other's bell.
    if sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 -- not there on every platform

    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            raise HomeInUse("another pairing service runs on this folder") from failure
        yield
