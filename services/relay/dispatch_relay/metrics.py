"""What the relay counts (docs/metrics.md). Every label stands at zero from the start, and none carries user data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.runtime.metrics import Carrier
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dispatch_relay.channels.words import How
from dispatch_relay.presence import CAUSES, End, Standing
from dispatch_relay.push import PushOutcome
from dispatch_relay.push.answers import Result
from dispatch_relay.web.guard import Turned

# Waits of people: from a few ms on loopback to the longest valid_for.
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2)
_COMMIT_OPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

BYE, BROKE = "bye", "broke"
FRONT, SEAT = "front", "seat"
REFUSED = "refused"
TRANSPORTS = ("web", "services")
OUTCOMES: Mapping[Outcome.ValueType, str] = {
    value: name.removeprefix("OUTCOME_").lower() for name, value in Outcome.items() if value
}


class Metrics:
    """The relay's counters. Methods are called on the event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        words = [errors.word(reason) for reason in errors.all_reasons()]
        offline = Counter(
            "dispatch_relay_host_offline_failures_total",
            "Tasks refused or put out of contact because of their host, by cause.",
            ["cause"],
            registry=registry,
        )
        self._offline = {reason: offline.labels(standing.value) for standing, reason in CAUSES.items()}
        refusals = Counter(
            "dispatch_relay_refusals_total", "Posts and live frames refused, by reason.", ["reason"], registry=registry
        )
        self._refusals = {word: refusals.labels(word) for word in words}
        tasks = Counter(
            "dispatch_relay_tasks_total",
            "Attempts refused, and accepted tasks ended, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self._tasks = {name: tasks.labels(name) for name in (*OUTCOMES.values(), REFUSED)}
        hosts = Gauge("dispatch_relay_hosts", "Hosts known to this relay, by state.", ["state"], registry=registry)
        self._hosts = {standing: hosts.labels(standing.value) for standing in Standing}
        changes = Counter(
            "dispatch_relay_presence_changes_total", "Changes of a host's state, by new state.", ["state"],
            registry=registry,
        )  # fmt: skip
        self._changes = {standing: changes.labels(standing.value) for standing in Standing}
        streams = Gauge(
            "dispatch_relay_streams", "Open streams, by kind of device and what carries them.", ["kind", "carrier"],
            registry=registry,
        )  # fmt: skip
        self._streams = {(end, by): streams.labels(end.name.lower(), by) for end in End for by in Carrier}
        ends = Counter(
            "dispatch_relay_stream_ends_total",
            "Streams refused or ended, by reason and what carried them.",
            ["reason", "carrier"],
            registry=registry,
        )
        self._ends = {(word, by): ends.labels(word, by) for word in (*words, BYE, BROKE) for by in Carrier}
        turned_away = Counter(
            "dispatch_relay_web_turned_away_total", "WebSockets that were not opened, by why.", ["why"],
            registry=registry,
        )  # fmt: skip
        self._turned_away = {why: turned_away.labels(why.value) for why in Turned}
        self.web_connections = Gauge(
            "dispatch_relay_web_connections", "Connections to the listener for browsers, opened or not.",
            registry=registry,
        )  # fmt: skip
        verdicts = Histogram(
            "dispatch_relay_verdict_seconds",
            "From the arrival of a command to its verdict.",
            ["verdict"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._verdicts = {verdict: verdicts.labels(verdict) for verdict in ("accepted", REFUSED)}
        self.pending = Gauge(
            "dispatch_relay_pending_commands", "Commands that wait for their verdict.", registry=registry
        )
        pushes = Counter(
            "dispatch_relay_pushes_total", "Rows with a push hint, by what became of the push.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self._pushes = {outcome: pushes.labels(outcome.value) for outcome in PushOutcome}
        attempts = Counter(
            "dispatch_relay_push_attempts_total",
            "Attempts to push, each for one or more calls, by transport and what came of it.",
            ["transport", "result"],
            registry=registry,
        )
        self._push_attempts = {
            (transport, result): attempts.labels(transport, result.value)
            for transport in TRANSPORTS
            for result in Result
        }
        self.push_waiting = Gauge(
            "dispatch_relay_push_waiting", "Calls to people that wait for their time, or to be tried again.",
            registry=registry,
        )  # fmt: skip
        self.live_dropped = Counter(
            "dispatch_relay_live_dropped_total", "Live frames dropped because the peer reads slowly.", registry=registry
        )
        self.commit_seconds = Histogram(
            "dispatch_relay_commit_seconds", "How long commits took.", buckets=_COMMIT_SECONDS, registry=registry
        )
        self.commit_ops = Histogram(
            "dispatch_relay_commit_ops", "Writes in one commit.", buckets=_COMMIT_OPS, registry=registry
        )
        self.store_failures = Counter(
            "dispatch_relay_store_failures_total", "Writes that could not be stored.", registry=registry
        )
        self._queue = Gauge("dispatch_relay_log_queue", "Writes that wait for the next commit.", registry=registry)
        self.reports_waiting = Gauge(
            "dispatch_relay_reports_waiting", "Reports of tasks that the pairing service has not got yet.",
            registry=registry,
        )  # fmt: skip
        self.reports = Counter(
            "dispatch_relay_reports_total", "Reports of tasks that the pairing service has taken.", registry=registry
        )
        self.report_failures = Counter(
            "dispatch_relay_report_failures_total", "Calls that should have reported and failed.", registry=registry
        )
        self.feed_connected = Gauge(
            "dispatch_relay_trust_feed_connected", "Whether the pairing service is heard at the moment.",
            registry=registry,
        )  # fmt: skip
        self.transfers = Gauge("dispatch_relay_transfers", "Transfers of files under way.", registry=registry)
        transfer_ends = Counter(
            "dispatch_relay_transfer_ends_total", "Transfers refused or ended, by reason.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self._transfer_ends = {word: transfer_ends.labels(word) for word in (*words, BYE, BROKE)}
        carried = Counter(
            "dispatch_relay_transfer_bytes_total", "Sealed bytes of files carried, by who gets them.", ["to"],
            registry=registry,
        )  # fmt: skip
        self.transfer_bytes = {end: carried.labels(end.name.lower()) for end in End}
        channels = Gauge(
            "dispatch_relay_channels", "Open channels to other relays, by which side this relay is.", ["side"],
            registry=registry,
        )  # fmt: skip
        self.channels = {side: channels.labels(side) for side in (FRONT, SEAT)}
        channel_ends = Counter(
            "dispatch_relay_channel_ends_total", "Channels that ended, by how.", ["reason"], registry=registry
        )
        self.channel_ends = {how: channel_ends.labels(how.value) for how in How}
        self.seats = Gauge(
            "dispatch_relay_seats", "Pairings whose seat this relay has, when there are several relays.",
            registry=registry,
        )  # fmt: skip
        self.seats_lost = Counter(
            "dispatch_relay_seats_lost_total", "Seats that another relay had taken, or that nobody had any more.",
            registry=registry,
        )  # fmt: skip
        self._database_away = Gauge(
            "dispatch_relay_database_away", "Whether the database that several relays share is not reached.",
            registry=registry,
        )  # fmt: skip
        self._bus_away = Gauge(
            "dispatch_relay_bus_away", "Whether the bus between several relays is not reached.", registry=registry
        )
        self._feed_age = Gauge(
            "dispatch_relay_trust_age_seconds", "How old the pairing service's last word is.", registry=registry
        )
        self._clock_off = Gauge(
            "dispatch_relay_clock_off_seconds",
            "How far this clock is ahead of the pairing service's.",
            registry=registry,
        )

    def watch(
        self,
        *,
        log_queue: Callable[[], float],
        trust_age_seconds: Callable[[], float],
        clock_off_seconds: Callable[[], float],
        database_away: Callable[[], bool],
        bus_away: Callable[[], bool],
    ) -> None:
        """Read these whenever somebody scrapes, which is on a thread of its own."""
        self._queue.set_function(log_queue)
        self._feed_age.set_function(trust_age_seconds)
        self._clock_off.set_function(clock_off_seconds)
        self._database_away.set_function(database_away)
        self._bus_away.set_function(bus_away)

    def committed(self, ops: int, seconds: float) -> None:
        self.commit_ops.observe(ops)
        self.commit_seconds.observe(seconds)

    def refused(self, reason: Reason.ValueType) -> None:
        self._refusals[errors.word(errors.kind_of(reason).reason)].inc()

    def host_offline(self, cause: Reason.ValueType, tasks: int = 1) -> None:
        self._offline[cause].inc(tasks)

    def task(self, outcome: str) -> None:
        self._tasks[outcome].inc()

    def verdict(self, *, accepted: bool, seconds: float) -> None:
        self._verdicts["accepted" if accepted else REFUSED].observe(seconds)

    def host_stands(self, standing: Standing | None, *, before: Standing | None) -> None:
        """A host's state changed; None: this relay does not know it (any more)."""
        if before is not None:
            self._hosts[before].dec()
        if standing is not None:
            self._hosts[standing].inc()
            self._changes[standing].inc()

    def hosts(self, counts: Mapping[Standing, int]) -> None:
        """Set what the store says at start."""
        for standing, gauge in self._hosts.items():
            gauge.set(counts.get(standing, 0))

    def host_here(self, standing: Standing, *, here: bool) -> None:
        """A host is counted here from now on, or no more; nothing happened to it."""
        self._hosts[standing].inc(1 if here else -1)

    def stream_opened(self, end: End, carrier: Carrier) -> None:
        self._streams[end, carrier].inc()

    def stream_closed(self, end: End, carrier: Carrier) -> None:
        self._streams[end, carrier].dec()

    def stream_ended(self, why: str, carrier: Carrier) -> None:
        """`why` is the word of a reason, BYE or BROKE."""
        self._ends[why, carrier].inc()

    def turned_away(self, why: Turned) -> None:
        self._turned_away[why].inc()

    def transfer_ended(self, why: str) -> None:
        """`why` is the word of a reason, BYE (both ends said all) or BROKE."""
        self._transfer_ends[why].inc()

    def push_tried(self, transport: str, result: Result) -> None:
        """An attempt of one of `TRANSPORTS` is over."""
        self._push_attempts[transport, result].inc()

    def pushed(self, outcome: PushOutcome) -> None:
        self._pushes[outcome].inc()
