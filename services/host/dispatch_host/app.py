"""Wires a running host, top to bottom, and runs it until it is told to stop. Called by `dispatch-host run` alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from dispatch import errors
from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Condition
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.ids import ID_BYTES, Instance
from dispatch.runtime.certificate import Certificate, CertificateFiles, CertificateMetrics
from dispatch.runtime.logs import get_logger
from dispatch.runtime.metrics import MetricsPage
from dispatch.runtime.server import stop_signal
from dispatch.runtime.span_metrics import SpanMetrics
from dispatch.tracing import open_traces

from dispatch_host import backlog, endings, pairings, steps
from dispatch_host.agents.registry import Registry
from dispatch_host.beside import beside, first
from dispatch_host.changes import Records
from dispatch_host.changes.forgetting import forgetting
from dispatch_host.control import ControlServer
from dispatch_host.direct.listener import Listener, Setting
from dispatch_host.files import Artifacts, Attachments, Inbox, Transfers
from dispatch_host.files.transfers import Shop
from dispatch_host.fleet import Device, Fleet
from dispatch_host.journal import settings
from dispatch_host.journal.values import Pairing
from dispatch_host.known_tools import Tools
from dispatch_host.limits import Limits
from dispatch_host.metrics import HostMetrics
from dispatch_host.operations import Operations
from dispatch_host.owned import Owned
from dispatch_host.pairing_desk import ATTACHED_SECONDS
from dispatch_host.permissions import wire as permissions
from dispatch_host.permissions.held import Held
from dispatch_host.permissions.permission import Kind
from dispatch_host.power import awake_time, wire
from dispatch_host.power.awake import Awake, KeepAwake, Means
from dispatch_host.power.sleep import Heard, Pause, SleepWatch, watch_always, watch_pauses
from dispatch_host.reminding import REMIND_SECONDS, reminding
from dispatch_host.runner import Runner
from dispatch_host.running import Running
from dispatch_host.schedule.runs import Looked
from dispatch_host.schedule.scheduler import LOOK_SECONDS, Scheduler
from dispatch_host.shared import Common, Undecided
from dispatch_host.tasks import State

_CONTROL_GRACE_SECONDS = 0.2
TRACES_SECONDS = 1.0
"""How long the last spans may take to the collector of traces, when the host stops."""

_LOG = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What `run` says on its way."""

    running: Callable[[str], None]  # with the metrics' address, empty for none
    connected: Callable[[Pairing], None]
    disconnected: Callable[[Pairing, Reason.ValueType], None]
    over: Callable[[Pairing], None]  # the pairing service has ended it


@dataclass(slots=True)
class _Stop:
    """Why and when the host stops."""

    asked: asyncio.Event
    condition: Condition.ValueType = Condition.CONDITION_APP_CLOSED
    error: errors.DispatchError | None = None  # why it makes no sense to go on

    def __call__(self, condition: Condition.ValueType) -> None:
        self.condition = condition
        self.asked.set()

    def revoked(self, word: errors.DeviceRevoked) -> None:
        """Stop for good: the pairing service says that this host is no device any more."""
        self.error = word
        self(Condition.CONDITION_APP_CLOSED)


async def run(
    owned: Owned,
    *,
    agents: Registry,
    sleep: SleepWatch,
    awake_means: Sequence[Means],
    limits: Limits,
    metrics_at: Address | None,
    told: Told,
    metrics_certificate: CertificateFiles | None = None,
    direct: Setting | None = None,
    tools: Tools | None = None,
    look_seconds: float = LOOK_SECONDS,
    remind_seconds: float = REMIND_SECONDS,
    attached_seconds: float = ATTACHED_SECONDS,
) -> None:
    """Run the host until SIGTERM, SIGINT or `stop`. What the process before left open is ended first.

    `direct` says where phones can come on the local network; None for nowhere. `look_seconds` is how often the schedule is looked
    at by itself, `remind_seconds` how often the pairing service is reminded, `attached_seconds` how long a new pairing may wait
    for a relay: seams for tests.

    Raises DeviceRevoked when the pairing service says so, ValueError for a certificate that can't be used, OSError when the
    metrics' address is taken.
    """
    stop = _Stop(stop_signal())
    metrics = HostMetrics()
    spans = SpanMetrics(metrics.registry, prefix="dispatch_host")
    traces = open_traces(os.environ, service="host", rng=owned.rng, counted=spans.counted)
    owned.journal.failed = metrics.journal_failures.inc
    certificate: Certificate | None = None
    if metrics_certificate is not None:
        seen = CertificateMetrics(metrics.registry, prefix="dispatch_host")
        certificate = Certificate(metrics_certificate, listener="metrics", metrics=seen)

    def heard(pairing: Pairing, is_open: bool, reason: Reason.ValueType) -> None:
        (metrics.connected.inc if is_open else metrics.connected.dec)()
        if is_open:
            told.connected(pairing)
        elif reason:
            told.disconnected(pairing, reason)

    def awake_changed(now: Awake) -> None:
        metrics.kept_awake.set(bool(now.held_by))
        fleet.show_all(DownLiveItem(keep_awake=wire.told(now)))

    left = await owned.journal.step(lambda tx: steps.interrupt_all(tx, owned.scribe, running=Reason.REASON_HOST_DIED))
    metrics.ended(State.INTERRUPTED, left)
    inbox = Inbox(owned.attachments, most_bytes=limits.attachments_bytes)
    attachments = Attachments(inbox, journal=owned.journal, clock=owned.clock)
    await attachments.sweep()
    await pairings.forget_strays(owned.journal, owned.store)
    artifacts = Artifacts(
        keep_out=owned.keep_out,
        inbox=inbox,
        most_bytes=limits.file_bytes,
        rng=owned.rng,
        pictures=owned.pictures,
    )
    instance = Instance(owned.rng(ID_BYTES))
    transfers = Transfers(
        Shop(
            journal=owned.journal,
            attachments=attachments,
            artifacts=artifacts,
            clock=owned.clock,
            rng=owned.rng,
            identity=owned.identity(),
            instance=instance,
            most_bytes=limits.file_bytes,
            ended=metrics.transferred,
        )
    )
    mode = await owned.journal.step(settings.keep_awake)
    keep_awake = KeepAwake(
        awake_means, mode=mode, changed=awake_changed, failed=metrics.power_failures["keep_awake"].inc
    )
    undecided = Undecided()

    def scheduled(looked: Looked) -> None:
        metrics.scheduled["on_time"].inc(looked.on_time)
        metrics.scheduled["late"].inc(looked.late)
        metrics.scheduled["missed"].inc(looked.missed)
        runner.wake()
        fleet.wrote_anywhere()

    scheduler = Scheduler(
        journal=owned.journal,
        scribe=owned.scribe,
        clock=owned.clock,
        zone=owned.zone,
        undecided=lambda: undecided.count(owned.clock.boot_ms()),
        began=scheduled,
        look_seconds=look_seconds,
    )

    def busy(works: bool) -> None:
        keep_awake.busy(works)
        scheduler.wake()  # a task ended, or left the line: what is due may have waited for that

    held = await Held(owned.journal, owned.clock).load()
    agents.choose(await owned.journal.step(settings.agent) or agents.chosen)
    runner = Runner(
        agents,
        journal=owned.journal,
        scribe=owned.scribe,
        clock=owned.clock,
        limits=limits,
        metrics=metrics,
        inbox=inbox,
        artifacts=artifacts,
        held=held,
        busy=busy,
        traces=traces,
    )
    listener = Listener(direct, clock=owned.clock)
    common = Common(
        journal=owned.journal,
        scribe=owned.scribe,
        clock=owned.clock,
        undecided=undecided,
        runner=runner,
        transfers=transfers,
        takes_words=lambda: runner.takes_words,
        awake=lambda: wire.told(keep_awake.now),
        permissions=lambda: permissions.told(held),
        connected=heard,
        ended=metrics.ended,
        refused=metrics.refused,
        lan_addresses=listener.addresses,
    )
    device = Device(
        home=owned.home,
        store=owned.store,
        identity=owned.identity(),
        instance=instance,
        rng=owned.rng,
        plaintext=owned.plaintext,
        random=random.Random(owned.rng(16)),
    )
    fleet = Fleet(device, common=common)
    unpaired, stopped = asyncio.Event(), asyncio.Event()
    running = Running(
        fleet=fleet,
        runner=runner,
        transfers=transfers,
        keep_awake=keep_awake,
        held=held,
        ended=metrics.ended,
        schedule_changed=scheduler.wake,
        stop=stop,
        stopped=stopped,
        attached_seconds=attached_seconds,
        endings=unpaired,
    )
    power = Heard(
        falling_asleep=lambda: fleet.notice(Condition.CONDITION_ASLEEP),
        awake=lambda: fleet.notice(Condition.CONDITION_AWAKE),
        shutting_down=lambda: stop(Condition.CONDITION_APP_CLOSED),
    )

    def paused(pause: Pause) -> None:
        _LOG.warning("nothing happened here", slept=round(pause.slept_seconds), stood_still=round(pause.frozen_seconds))
        metrics.pauses.inc()
        runner.paused(pause)
        scheduler.wake()
        if pause.slept_seconds:
            fleet.renew()

    def permissions_changed() -> None:
        runner.permissions_changed()
        transfers.permissions_changed(held.folders)
        if tools is not None:
            tools.connectors.permissions_changed(held.named(Kind.CONNECTOR), held.folders)
        fleet.show_all(DownLiveItem(permissions=permissions.told(held)))

    held.changed = permissions_changed
    operations = Operations(owned, agents=agents, running=running, tools=tools)

    async with (
        _measured(metrics, metrics_at, certificate) as measured,
        _entered(tools, metrics),
        transfers,
        fleet,
        listener.open(fleet),
        ControlServer(owned.home, operations),
        beside(
            runner.run(fleet),
            scheduler.run(),
            endings.keep_telling(owned, unpaired),
            reminding(owned, every_seconds=remind_seconds, chance=random.Random(owned.rng(16))),
            endings.drop_what_is_over(fleet, drop=operations.pairings.heard_over, revoked=stop.revoked, over=told.over),
            attachments.sweeping(),
            forgetting(Records(owned.changes)),
            keep_awake.run(),
            held.run(),
            backlog.watch(owned.journal, metrics.outbox.set),
            watch_always(sleep, power, failed=metrics.power_failures["sleep"].inc),
            watch_pauses(owned.clock, awake_ms=awake_time(owned.clock), paused=paused),
        ) as broken,
    ):
        await fleet.attach_all()
        told.running(measured)
        await first(stop.asked, broken)
        # First: what came in behind the ending of all tasks would be left to run by nobody.
        fleet.close(Reason.REASON_HOST_APP_CLOSED)
        await scheduler.stop()
        metrics.ended(State.INTERRUPTED, await _end_all(owned, runner, within_seconds=limits.stop_seconds))
        await fleet.leave(stop.condition, within_seconds=limits.stop_seconds)
        stopped.set()
        # Whoever asked over the socket hears that it is done.
        await asyncio.sleep(_CONTROL_GRACE_SECONDS)
    await asyncio.to_thread(traces.close, within_seconds=TRACES_SECONDS)
    if stop.error is not None:
        raise stop.error


@contextlib.asynccontextmanager
async def _measured(metrics: HostMetrics, at: Address | None, certificate: Certificate | None) -> AsyncIterator[str]:
    """Serve the metrics' page; gives its address, empty for none. Raises OSError."""
    if at is None:
        yield ""
        return
    with contextlib.closing(MetricsPage(metrics.registry, at, certificate=certificate)) as page:
        yield str(page.address)


@contextlib.asynccontextmanager
async def _entered(tools: Tools | None, metrics: HostMetrics) -> AsyncIterator[None]:
    """Hold the connectors ready; at the end none of their servers is left."""
    if tools is None:
        yield
        return
    tools.connectors.broke = lambda ending: metrics.connector_failures[ending].inc()
    async with tools.connectors:
        yield


async def _end_all(owned: Owned, runner: Runner, *, within_seconds: float) -> int:
    """End what runs and what waits; gives how many waited. What can't be written now, the next start writes."""
    try:
        async with asyncio.timeout(within_seconds):
            await runner.stop()
            return await owned.journal.step(
                lambda tx: steps.interrupt_all(tx, owned.scribe, running=Reason.REASON_HOST_STOPPED)
            )
    except (TimeoutError, errors.StoreFailed) as failure:
        _LOG.error("tasks are left to the next start", cause=type(failure).__name__)
        return 0
