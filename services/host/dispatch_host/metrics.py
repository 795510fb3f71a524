"""What a host counts. Few numbers, every label at zero from the start, nothing about content. docs/metrics.md lists them."""

from __future__ import annotations

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dispatch_host.asking import ENDINGS
from dispatch_host.connectors.connector import Ending
from dispatch_host.files.transfers import DONE
from dispatch_host.tasks import OUTCOMES, State

SCHEDULED_RUNS = ("on_time", "late", "missed")
POWER_PARTS = ("sleep", "keep_awake")


class HostMetrics:
    """The numbers of one host process, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._ended = Counter(
            "dispatch_host_tasks", "Accepted tasks that ended, by outcome.", ["outcome"], registry=self.registry
        )
        for state in OUTCOMES:
            self._ended.labels(state.value)
        refusals = Counter(
            "dispatch_host_refusals",
            "Commands, sessions, handshakes and live frames refused, by reason.",
            ["reason"],
            registry=self.registry,
        )
        words = [errors.word(reason) for reason in errors.all_reasons()]
        self._refusals = {word: refusals.labels(word) for word in words}
        transfers = Counter(
            "dispatch_host_transfers", "Transfers of files that ended: done, or by reason.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._transfers = {word: transfers.labels(word) for word in (DONE, *words)}
        questions = Counter(
            "dispatch_host_questions",
            "Questions that agents asked, by how they ended.",
            ["ending"],
            registry=self.registry,
        )
        self._questions = {ending: questions.labels(ending) for ending in ENDINGS}
        runs = Counter(
            "dispatch_host_scheduled_runs",
            "Times at which the schedule had something due, by what became of them.",
            ["run"],
            registry=self.registry,
        )
        self.scheduled = {run: runs.labels(run) for run in SCHEDULED_RUNS}
        self.running = Gauge("dispatch_host_running", "Tasks that run now: 0 or 1.", registry=self.registry)
        self.waiting = Gauge("dispatch_host_waiting", "Tasks that wait behind it.", registry=self.registry)
        self.kept_awake = Gauge(
            "dispatch_host_kept_awake", "Whether the computer is kept awake now: 0 or 1.", registry=self.registry
        )
        broke = Counter(
            "dispatch_host_power_failures",
            "Times at which what watches for sleep, or what keeps awake, broke and began anew.",
            ["part"],
            registry=self.registry,
        )
        self.power_failures = {part: broke.labels(part) for part in POWER_PARTS}
        connectors = Counter(
            "dispatch_host_connector_failures",
            "Times at which a connector could not be started, or broke.",
            ["ending"],
            registry=self.registry,
        )
        self.connector_failures = {ending: connectors.labels(ending.value) for ending in Ending}
        self.pauses = Counter(
            "dispatch_host_pauses",
            "Times at which the computer slept for 5 s or more, or the process stood still for 30 s.",
            registry=self.registry,
        )
        self.outbox = Gauge(
            "dispatch_host_outbox",
            "Rows that wait for the relay's receipt, as of the last look.",
            registry=self.registry,
        )
        self.journal_failures = Counter(
            "dispatch_host_journal_failures", "Steps that could not be stored in the journal.", registry=self.registry
        )
        self.connected = Gauge("dispatch_host_connected", "Open streams to the relay.", registry=self.registry)
        self.agent_seconds = Histogram(
            "dispatch_host_agent_seconds",
            "How long the agent worked on a task.",
            buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
            registry=self.registry,
        )

    def ended(self, state: State, count: int = 1) -> None:
        """Count tasks that ended."""
        self._ended.labels(state.value).inc(count)

    def asked(self, ending: str) -> None:
        """Count a question that ended."""
        self._questions[ending].inc()

    def transferred(self, outcome: str) -> None:
        """Count a transfer that ended: DONE, or the word of a reason."""
        self._transfers[outcome].inc()

    def refused(self, reason: Reason.ValueType) -> None:
        """Count something of a phone, or of a relay in its name, that was refused."""
        self._refusals[errors.word(errors.kind_of(reason).reason)].inc()
