"""Wires a relay, top to bottom, and runs it until it is told to stop. Called by `cli` with what it read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from dispatch import GRPC_EXPERIMENTS
from dispatch.address import Address
from dispatch.clock import SystemClock
from dispatch.runtime.bus import BusOptions
from dispatch.runtime.certificate import Certificate, CertificateFiles, CertificateMetrics
from dispatch.runtime.database import DatabaseAddress
from dispatch.runtime.logs import get_logger
from dispatch.runtime.metrics import serve_metrics
from dispatch.runtime.origins import Origins
from dispatch.runtime.peer import Proxies
from dispatch.runtime.server import Server
from dispatch.runtime.span_metrics import SpanMetrics
from dispatch.tls import Dialler, KeyFiles, read_authorities
from dispatch.tracing import open_traces
from prometheus_client import CollectorRegistry

from dispatch_relay.admission import Gate
from dispatch_relay.channels.hall import Arrival, Hall
from dispatch_relay.erasing import Erasing
from dispatch_relay.front import Front
from dispatch_relay.grpc_wire import handler
from dispatch_relay.kept import BusRun, Kept
from dispatch_relay.metrics import Metrics
from dispatch_relay.place import Tools
from dispatch_relay.push import NoPush, Push
from dispatch_relay.push.opening import PushOptions, open_bell
from dispatch_relay.reporter import Reporter
from dispatch_relay.rooms import Rooms
from dispatch_relay.seats import OneRelay
from dispatch_relay.service import ATTACH, SERVICE, ThreadService
from dispatch_relay.settings import Settings
from dispatch_relay.sqlite_log import SqliteLog
from dispatch_relay.transfer_service import CARRY, TransferService
from dispatch_relay.transfer_service import SERVICE as TRANSFER_SERVICE
from dispatch_relay.transfers import Transfers
from dispatch_relay.trust import News, Trust
from dispatch_relay.trust_feed import TrustFeed
from dispatch_relay.trust_store import TrustStore

_log = get_logger()

_HEALTH_SECONDS = 0.2
_DRAIN_SHARE = 0.5
"""Devices are asked to leave within this part of the time for draining, so that the last still leaves in peace."""
_GRACE_SECONDS = 1.0
"""How long a stream that was ended has to tell its device why."""
_LAST_CALLS_SECONDS = 1.0
"""How long the calls to people that the last rows asked for may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Where browsers open streams, and from which pages (docs/web.md)."""

    listen: Address
    advertise: Address | None = None
    """By which address they reach it, if not the one listened on."""
    origins: Origins = field(default_factory=Origins)
    certificate: CertificateFiles | None = None
    """What they are shown; None: they are spoken to in the clear, which is for this computer alone, or for a proxy on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOptions:
    """What several relays have in common (docs/scale.md)."""

    database: DatabaseAddress
    bus: BusOptions


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    listen: Address
    data: Path
    pairing: Address
    advertise: Address | None
    metrics: Address | None
    certificate: CertificateFiles | None = None
    """What devices are shown; None: they are spoken to in the clear, which is for this computer alone."""
    services_ca: Path | None = None
    """Whose certificate the pairing service must show."""
    services: KeyFiles | None = None
    """What it is shown."""
    push: PushOptions = field(default_factory=PushOptions)
    """How people are called."""
    web: WebOptions | None = None
    """None: browsers open no streams here."""
    shared: SharedOptions | None = None
    """None: this relay is the only one."""
    plaintext: bool = False
    """Whether to speak in the clear off this computer."""
    proxies: Proxies = field(default_factory=Proxies)
    """Whose word on where a caller comes from is believed."""

    def dialler(self) -> Dialler:
        """Give how the pairing service is dialled; reads a file. Raises ValueError."""
        ca = "" if self.services_ca is None else read_authorities(self.services_ca)
        return Dialler(ca=ca, identity=self.services, plaintext=self.plaintext)


@dataclass(frozen=True, slots=True)
class Running:
    """The addresses really bound."""

    address: Address
    metrics: Address | None
    web: Address | None


Ready = Callable[[Running], None]


async def serve(
    options: Options,
    settings: Settings,
    *,
    ready: Ready,
    stopped: asyncio.Event,
    push: Push | None = None,
    kept: Kept | None = None,
) -> None:
    """Run a relay until `stopped` is set. Raises OSError, errors.StoreFailed, ValueError for certificates.

    `push` and `kept` take the place of what the options would have made.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    spans = SpanMetrics(registry, prefix="dispatch_relay")
    traces = open_traces(os.environ, service="relay", rng=os.urandom, counted=spans.counted)
    options.dialler()  # a mistake in the files is said now rather than in the log
    certificate, web_certificate = _certificates(options, registry)
    kept = kept or await _open(options, settings, metrics)
    log = kept.log
    try:
        store = TrustStore(options.data / "trust.sqlite3")
        trust = Trust(await asyncio.to_thread(store.load), clock=clock, stale_ms=1_000 * settings.trust_stale_seconds)
        metrics.watch(
            log_queue=kept.queued,
            trust_age_seconds=lambda: trust.age_ms / 1_000,
            clock_off_seconds=lambda: trust.clock_off_ms / 1_000,
        )
        async with contextlib.AsyncExitStack() as closing, asyncio.TaskGroup() as group:
            beside: set[asyncio.Task[None]] = set()

            def spawn(work: Coroutine[object, object, None]) -> None:
                try:
                    task = group.create_task(work)
                except RuntimeError:  # the relay ends because something in it failed: nothing begins any more
                    work.close()
                    return
                beside.add(task)
                task.add_done_callback(beside.discard)

            reporter = Reporter(
                pairing=str(options.pairing), dialler=options.dialler, log=log, metrics=metrics, jitter=random.uniform
            )
            bell = None
            if options.push and push is None:
                bell = open_bell(
                    options.push, settings, data=options.data, log=log, clock=clock, metrics=metrics, spawn=spawn
                )
                closing.push_async_callback(bell.close)
            tools = Tools(
                log=log,
                clock=clock,
                settings=settings,
                metrics=metrics,
                push=push or bell or NoPush(),
                spawn=spawn,
                report=reporter.news,
                traces=traces,
            )
            rooms = Rooms(tools, kept.seats, shared=kept.shared is not None)
            await rooms.recover()
            transfers = Transfers(settings=settings, metrics=metrics)
            server = Server(services=[SERVICE.full_name, TRANSFER_SERVICE.full_name])
            names = set(settings.names)  # the rest is known when the port is
            gate = Gate(trust=trust, names=names, clock=clock, rng=os.urandom)
            hall = None
            if kept.shared is not None:
                hall = Hall(
                    kept.shared.bus,
                    relay=kept.seats.relay,
                    clock=clock,
                    rng=os.urandom,
                    metrics=metrics,
                    spawn=spawn,
                )
            front = Front(hall, clock=clock, still=trust.still, jitter=random.uniform)
            service = ThreadService(gate=gate, rooms=rooms, tools=tools, front=front)
            transfer_service = TransferService(
                gate=gate,
                rooms=rooms,
                transfers=transfers,
                clock=clock,
                settings=settings,
                metrics=metrics,
                front=front,
            )
            served = {
                (SERVICE.full_name, ATTACH): service.attach,
                (TRANSFER_SERVICE.full_name, CARRY): transfer_service.carry,
            }
            server.grpc.add_generic_rpc_handlers(
                tuple(handler(*name, serve, proxies=options.proxies) for name, serve in served.items())
            )
            bound = await server.start(options.listen, certificate=certificate)
            advertise = options.advertise or bound
            names |= {str(bound), str(advertise)}
            web, web_bound, web_advertise = None, None, None
            if options.web is not None:
                # Only here: what it imports is there in installations for browsers only.
                from dispatch_relay.web.listener import Listener  # noqa: PLC0415

                web = Listener(
                    {f"/{service_name}/{method}": serve for (service_name, method), serve in served.items()},
                    names=names,
                    origins=options.web.origins,
                    certificate=web_certificate,
                    connections=settings.web_connections,
                    metrics=metrics,
                    proxies=options.proxies,
                )
                try:
                    web_bound = await web.start(options.web.listen)
                except OSError:
                    await server.stop(grace_seconds=0)
                    raise
                web_advertise = options.web.advertise or web_bound
                names |= {str(web_bound), str(web_advertise)}
            scraped = (
                None if options.metrics is None else serve_metrics(registry, options.metrics, certificate=certificate)
            )

            erasing = Erasing(rooms.erase)

            def act(news: News) -> None:
                # Devices first, at once: they are told that they were revoked, not that their pairings are over.
                for device_id in news.revoked:
                    rooms.revoke(device_id)
                    transfers.revoke(device_id)
                    front.revoke(device_id)
                for pair_id in news.ended:
                    transfers.erase(pair_id)
                    front.over(pair_id)
                for pair_id, end in news.ended.items():
                    rooms.end(pair_id, ended_by=end)
                erasing.owe(news.ended)

            async def tell_health() -> None:
                """Say by the health protocol whether anybody is let in; trust grows old without a word, and a database goes."""
                usable = trust.usable and kept.there()
                await server.serving(usable)
                while True:
                    await asyncio.sleep(_HEALTH_SECONDS)
                    if usable is not (trust.usable and kept.there()):
                        usable = not usable
                        await server.serving(usable)

            feed = TrustFeed(
                pairing=str(options.pairing),
                dialler=options.dialler,
                advertise=str(advertise),
                web_advertise="" if web_advertise is None else str(web_advertise),
                state=trust,
                store=store,
                act=act,
                settled=erasing.settled,
                connected=lambda there: metrics.feed_connected.set(int(there)),
                jitter=random.uniform,
            )
            health = group.create_task(tell_health())
            works = [feed.follow(), erasing.run(), reporter.run(), rooms.sweep()]
            if hall is not None and kept.shared is not None:

                async def arrived(arrival: Arrival) -> None:
                    of_thread = arrival.handed.transfer_id is None
                    await (service.attach_for if of_thread else transfer_service.carry_for)(arrival)

                hall.open_doors(arrived)
                works += [kept.shared.run(), rooms.adopt()]
            loops = [health, *(group.create_task(work) for work in works)]
            _log.info(
                "serving",
                address=str(bound),
                advertise=str(advertise),
                web=None if web_advertise is None else str(web_advertise),
                tls=certificate is not None,
                grpc_experiments=GRPC_EXPERIMENTS,
            )
            ready(Running(address=bound, metrics=scraped, web=web_bound))
            await stopped.wait()

            _log.info("draining")
            service.draining = transfer_service.draining = True
            transfers.shut()  # a file goes on where it stopped, on another relay or on this one's next start
            health.cancel()
            await server.serving(False)
            spread_ms = int(settings.drain_ms * _DRAIN_SHARE)
            await asyncio.gather(
                *(
                    part.drain(reconnect_in_ms=lambda: random.randint(0, spread_ms), within_ms=settings.drain_ms)
                    for part in (rooms, front)
                )
            )
            rooms.shut()
            front.shut()
            stopping = [server.stop(grace_seconds=_GRACE_SECONDS)]
            if web is not None:
                stopping.append(web.stop(grace_seconds=_GRACE_SECONDS))
            await asyncio.gather(*stopping)
            for loop in loops:
                loop.cancel()
            if bell is not None:
                await bell.shut(within_seconds=_LAST_CALLS_SECONDS)
            # What was written last is told, and people called because of it, while there still is a relay to do so.
            await kept.close()
            if beside:
                await asyncio.wait(beside, timeout=_LAST_CALLS_SECONDS)
            for task in beside:
                task.cancel()
    except BaseExceptionGroup as several:
        if len(several.exceptions) > 1:
            raise
        # A port that is taken is one plain error, though it was raised among tasks.
        raise several.exceptions[0] from None
    finally:
        await kept.close()
        await asyncio.to_thread(traces.close, within_seconds=_LAST_CALLS_SECONDS)
    _log.info("stopped")


async def _open(options: Options, settings: Settings, metrics: Metrics) -> Kept:
    """Open what is kept. Raises errors.StoreFailed."""
    if options.shared is not None:
        # Only here: what they import is there in installations for several relays only.
        from dispatch_relay.channels.nats_bus import NatsBus  # noqa: PLC0415
        from dispatch_relay.postgres.opening import open_store  # noqa: PLC0415

        store = await open_store(
            options.shared.database,
            relay=os.urandom(8).hex(),
            thread_bytes=settings.thread_bytes,
            on_commit=metrics.committed,
        )
        bus = NatsBus(options.shared.bus)
        return Kept(
            log=store.log,
            seats=store.seats,
            queued=lambda: store.log.queued,
            there=lambda: store.seats.there,
            shared=BusRun(bus=bus, run=bus.run),
        )
    log = await SqliteLog.open(
        options.data / "relay.sqlite3", thread_bytes=settings.thread_bytes, on_commit=metrics.committed
    )
    return Kept(log=log, seats=OneRelay(os.urandom(8).hex()), queued=lambda: log.queued, there=lambda: True)


def _certificates(options: Options, registry: CollectorRegistry) -> tuple[Certificate | None, Certificate | None]:
    """Read what devices and browsers are shown. Raises ValueError."""
    of_web = None if options.web is None else options.web.certificate
    if options.certificate is None and of_web is None:
        return None, None
    seen = CertificateMetrics(registry, prefix="dispatch_relay")
    return (
        None if options.certificate is None else Certificate(options.certificate, listener="devices", metrics=seen),
        None if of_web is None else Certificate(of_web, listener="web", metrics=seen),
    )
