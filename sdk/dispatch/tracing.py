"""Traces of tasks: who had one when, for a collector that takes OTLP over HTTP. Off unless the environment names one.

The trace of a task has the task's own id, and its root, which the phone tells, has an id that follows from it: so phone, relay and
host each tell their part and nothing is carried between them. What a span may say is a closed list, without words, names or paths.
Spans leave on a thread of their own, from a queue that has an end: a collector that is down costs spans and nothing else.
docs/operations.md "Traces". Made by the apps; OpenTelemetry is imported by that thread only.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from dispatch.ids import Rng, TaskId
from dispatch.version import APP_VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
END_TIMEOUT = "OTEL_BSP_EXPORT_TIMEOUT"
ATTRIBUTES = frozenset({"kind", "outcome", "pairing", "reason", "verdict"})
"""All that a span says of what happened. Their values are words of closed lists, and the short id of a pairing."""

EXPORTED, DROPPED, FAILED = "exported", "dropped", "failed"
RESULTS = (EXPORTED, DROPPED, FAILED)
"""What becomes of spans: taken by the collector, not kept because the queue was full, or not taken."""

MOST_WAITING = 2048
"""Spans that wait for the collector; what comes then is dropped."""
_BATCH = 256
_GATHER_SECONDS = 0.5
"""How long the first span of a batch waits for others."""
_SPAN_ID_BYTES = 8

Counted = Callable[[str, int], None]
"""Hears what became of how many spans: one of RESULTS. On any thread."""


def root_of(task_id: TaskId) -> bytes:
    """Give the id of the root of a task's trace: the phone's, from the person's word to the last that was heard of it."""
    return span_of(task_id, "task")


def span_of(task_id: TaskId, name: str) -> bytes:
    """Give the id of the one span of that name that a task has: whoever knows the task can name it as a parent."""
    return hashlib.sha256(b"dispatch span " + name.encode() + b"\0" + task_id).digest()[:_SPAN_ID_BYTES]


class Traces(Protocol):
    """Where spans are told."""

    @property
    def on(self) -> bool:
        """Whether anybody wants them: what would cost something to know need not be known else."""

    def span(
        self,
        name: str,
        task_id: TaskId,
        *,
        start_ms: float,
        end_ms: float,
        span_id: bytes = b"",
        parent_id: bytes | None = None,
        **attributes: str,
    ) -> None:
        """Tell of something that is over. Times are ms since 1970.

        Without `span_id` it gets one of its own. `parent_id` is another span of the task; None is the root, empty none. Raises
        ValueError for an attribute that is not on the list.
        """

    def close(self, *, within_seconds: float) -> None:
        """Send what waits, for so long at most. Blocking."""


class Untold:
    """No traces: they are off."""

    on = False

    def span(self, *_: object, **__: object) -> None:
        """Tell nobody."""

    def close(self, *, within_seconds: float) -> None:
        """Wait for nothing."""


UNTOLD = Untold()


def open_traces(
    environment: Mapping[str, str], *, service: str, rng: Rng, counted: Counted = lambda _result, _count: None
) -> Traces:
    """Give where to tell spans, as the standard variables of OpenTelemetry say. `service` is "phone", "relay" or "host".

    Raises ValueError with a sentence for whoever set them, when they ask for what is not here.
    """
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or environment.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return UNTOLD
    if not any(environment.get(name) for name in ENDPOINTS):
        return UNTOLD
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ValueError(f"traces go by http/protobuf; {protocol!r}, which {PROTOCOLS[1]} asks for, is not spoken here")
    if find_spec("opentelemetry") is None:
        raise ValueError(
            f"{ENDPOINTS[1]} asks for traces, which need what the extra `traces` installs: dispatch-sdk[traces]"
        )
    return Exporting(service=f"dispatch-{service}", rng=rng, counted=counted)


def end_seconds(environment: Mapping[str, str], *, otherwise: float) -> float:
    """Give how long the end of a program may wait for the collector. Raises ValueError as `open_traces` does."""
    if not (said := environment.get(END_TIMEOUT)):
        return otherwise
    if not said.isdecimal():
        raise ValueError(f"{END_TIMEOUT} is a number of milliseconds, and not {said!r}")
    return int(said) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """One span on its way. Times are ms since 1970."""

    name: str
    task_id: TaskId
    span_id: bytes
    parent_id: bytes
    start_ms: float
    end_ms: float
    attributes: Mapping[str, str] = field(default_factory=dict)


class Exporting:
    """Sends spans to the collector that the environment names. `span` may be called on any thread and never waits."""

    on = True

    def __init__(self, *, service: str, rng: Rng, counted: Counted) -> None:
        # Fixed after __init__.
        self._service = service
        self._rng = rng
        self._counted = counted
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        # Under the condition's lock.
        self._changed = threading.Condition()
        self._waiting: list[_Span] = []
        self._closing = False
        self._exporter: Any = None

    def span(
        self,
        name: str,
        task_id: TaskId,
        *,
        start_ms: float,
        end_ms: float,
        span_id: bytes = b"",
        parent_id: bytes | None = None,
        **attributes: str,
    ) -> None:
        """Tell of something that is over."""
        if unknown := attributes.keys() - ATTRIBUTES:
            raise ValueError(f"a span says nothing of {sorted(unknown)}")
        if not any(task_id):
            return  # an id that a trace can't have; a peer may choose it
        span = _Span(
            name=name,
            task_id=task_id,
            span_id=span_id or self._rng(_SPAN_ID_BYTES),
            parent_id=root_of(task_id) if parent_id is None else parent_id,
            start_ms=start_ms,
            end_ms=max(start_ms, end_ms),
            attributes={key: value for key, value in attributes.items() if value},
        )
        with self._changed:
            full = self._closing or len(self._waiting) >= MOST_WAITING
            if not full:
                self._waiting.append(span)
                self._changed.notify()
            if self._thread.ident is None and not full:
                self._thread.start()
        if full:
            self._counted(DROPPED, 1)

    def close(self, *, within_seconds: float) -> None:
        """Send what waits, for so long at most. What has not gone by then is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            begun = self._thread.ident is not None
        if begun:
            self._thread.join(within_seconds)
        with self._changed:
            left, self._waiting = len(self._waiting), []
            exporter = self._exporter
        if left:
            self._counted(DROPPED, left)
        if exporter is not None and self._thread.is_alive():
            exporter.shutdown()  # it waits to try again, and need not any more

    def _run(self) -> None:
        while batch := self._batch():
            try:
                sent = self._export(batch)
            except Exception:
                sent = False  # whatever breaks in there, of a library or of how it was set up, costs these spans only
            self._counted(EXPORTED if sent else FAILED, len(batch))

    def _export(self, batch: Sequence[_Span]) -> bool:
        if self._exporter is None:
            exporter = _exporter()
            with self._changed:
                self._exporter = exporter
        sent: bool = self._exporter.export([_readable(span, self._service) for span in batch]).name == "SUCCESS"
        return sent

    def _batch(self) -> Sequence[_Span]:
        """Wait for spans; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(lambda: self._closing or len(self._waiting) >= _BATCH, timeout=_GATHER_SECONDS)
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            return batch


def _exporter() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 -- see above

    # What it says of a failure may name the collector, with a password in it, and goes to a person's terminal. It is counted.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    return OTLPSpanExporter()


def _readable(span: _Span, service: str) -> ReadableSpan:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- see above
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415

    def context(span_id: bytes) -> SpanContext:
        return SpanContext(
            trace_id=int.from_bytes(span.task_id, "big"),
            span_id=int.from_bytes(span_id, "big"),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )

    return ReadableSpan(
        name=span.name,
        context=context(span.span_id),
        parent=context(span.parent_id) if span.parent_id else None,
        resource=Resource({"service.name": service, "service.version": APP_VERSION}),
        attributes=dict(span.attributes),
        start_time=round(span.start_ms * 1_000_000),
        end_time=round(span.end_ms * 1_000_000),
        instrumentation_scope=InstrumentationScope("dispatch", APP_VERSION),
    )
