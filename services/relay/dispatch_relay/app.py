"""Wires a relay, top to bottom, and runs it until it is told to stop. Called by `cli` with what it read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass

from dispatch import GRPC_EXPERIMENTS
from dispatch.clock import Clock, SystemClock
from dispatch.runtime.logs import get_logger
from dispatch.runtime.span_metrics import SpanMetrics
from dispatch.tracing import Traces, open_traces
from prometheus_client import CollectorRegistry

from dispatch_relay.admission import Gate
from dispatch_relay.beside import Beside
from dispatch_relay.kept import Kept, open_kept
from dispatch_relay.listeners import Listeners, Running
from dispatch_relay.metrics import Metrics
from dispatch_relay.options import Options
from dispatch_relay.place import Tools
from dispatch_relay.push import NoPush, Push
from dispatch_relay.push.opening import open_bell
from dispatch_relay.relay import Relay
from dispatch_relay.reporter import Reporter
from dispatch_relay.settings import Settings
from dispatch_relay.trust import Trust
from dispatch_relay.trust_feed import TrustFeed
from dispatch_relay.trust_store import TrustStore

_log = get_logger()

_HEALTH_SECONDS = 0.2
_GRACE_SECONDS = 1.0
"""How long a stream that was ended has to tell its device why."""
_LAST_CALLS_SECONDS = 1.0
"""How long the calls to people that the last rows asked for may take."""

Ready = Callable[[Running], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What a relay stands on before anybody is let in."""

    options: Options
    settings: Settings
    clock: Clock
    metrics: Metrics
    traces: Traces
    listeners: Listeners
    kept: Kept
    trust_store: TrustStore
    trust: Trust


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
    listeners = Listeners(options, settings, registry=registry, metrics=metrics)
    kept = kept or await open_kept(options, settings, metrics=metrics)
    try:
        store = TrustStore(options.data / "trust.sqlite3")
        trust = Trust(await asyncio.to_thread(store.load), clock=clock, stale_ms=1_000 * settings.trust_stale_seconds)
        metrics.watch(
            log_queue=kept.queued,
            trust_age_seconds=lambda: trust.age_ms / 1_000,
            clock_off_seconds=lambda: trust.clock_off_ms / 1_000,
            database_away=lambda: not kept.there(),
            bus_away=lambda: kept.shared is not None and not kept.shared.bus.there,
        )
        ground = _Ground(
            options=options,
            settings=settings,
            clock=clock,
            metrics=metrics,
            traces=traces,
            listeners=listeners,
            kept=kept,
            trust_store=store,
            trust=trust,
        )
        await _until(stopped, ground, ready=ready, push=push)
    except BaseExceptionGroup as several:
        if len(several.exceptions) > 1:
            raise
        # A port that is taken is one plain error, though it was raised among tasks.
        raise several.exceptions[0] from None
    finally:
        await kept.close()
        await asyncio.to_thread(traces.close, within_seconds=_LAST_CALLS_SECONDS)
    _log.info("stopped")


async def _until(stopped: asyncio.Event, ground: _Ground, *, ready: Ready, push: Push | None) -> None:
    """Let devices in until it is stopped, then let what was begun end. No task outlives this."""
    async with contextlib.AsyncExitStack() as closing, asyncio.TaskGroup() as group:
        beside = Beside(group)
        bell = None
        if ground.options.push and push is None:
            bell = open_bell(
                ground.options.push,
                ground.settings,
                data=ground.options.data,
                log=ground.kept.log,
                clock=ground.clock,
                metrics=ground.metrics,
                spawn=beside.spawn,
            )
            closing.push_async_callback(bell.close)
        await _let_in(stopped, ground, beside, ready=ready, push=push or bell or NoPush())
        if bell is not None:
            await bell.shut(within_seconds=_LAST_CALLS_SECONDS)
        # What was written last is told, and people called because of it, while there still is a relay to do so.
        await ground.kept.close()
        await beside.finish(within_seconds=_LAST_CALLS_SECONDS)


async def _let_in(stopped: asyncio.Event, ground: _Ground, beside: Beside, *, ready: Ready, push: Push) -> None:
    """Let devices in until it is stopped, then ask them to leave; none is there any more when this returns."""
    options, listeners, trust = ground.options, ground.listeners, ground.trust
    pairing = str(options.pairing)
    reporter = Reporter(
        pairing=pairing,
        dialler=options.dialler,
        log=ground.kept.log,
        metrics=ground.metrics,
        jitter=random.uniform,
    )
    tools = Tools(
        log=ground.kept.log,
        clock=ground.clock,
        settings=ground.settings,
        metrics=ground.metrics,
        push=push,
        spawn=beside.spawn,
        report=reporter.news,
        traces=ground.traces,
    )
    gate = Gate(trust=trust, names=listeners.names, clock=ground.clock, rng=os.urandom)
    relay = Relay(ground.kept, tools, gate=gate, rng=os.urandom)
    await relay.recover()
    running = await listeners.open(relay.streams)
    feed = TrustFeed(
        pairing=pairing,
        dialler=options.dialler,
        advertise=listeners.advertise,
        web_advertise=listeners.web_advertise,
        state=trust,
        store=ground.trust_store,
        act=relay.act,
        settled=relay.settled,
        connected=lambda there: ground.metrics.feed_connected.set(int(there)),
        jitter=random.uniform,
    )
    health = beside.keep_up(_tell_health(listeners, usable=lambda: trust.usable and ground.kept.there()))
    for work in (feed.follow(), reporter.run(), *relay.works()):
        beside.keep_up(work)
    _log.info(
        "serving",
        address=str(running.address),
        advertise=listeners.advertise,
        web=listeners.web_advertise or None,
        tls=options.certificate is not None,
        grpc_experiments=GRPC_EXPERIMENTS,
    )
    ready(running)
    await stopped.wait()

    _log.info("draining")
    relay.close_doors()
    health.cancel()
    await listeners.serving(False)
    await relay.drain()
    await listeners.stop(grace_seconds=_GRACE_SECONDS)
    beside.stop()


async def _tell_health(listeners: Listeners, *, usable: Callable[[], bool]) -> None:
    """Say by the health protocol whether anybody is let in; trust grows old without a word, and a database goes."""
    said = usable()
    await listeners.serving(said)
    while True:
        await asyncio.sleep(_HEALTH_SECONDS)
        if said is not usable():
            said = not said
            await listeners.serving(said)
