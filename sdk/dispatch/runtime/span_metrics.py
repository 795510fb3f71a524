"""Counts what becomes of the spans of a process (dispatch.tracing). Made by the apps of relay and host."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from dispatch.tracing import RESULTS


class SpanMetrics:
    """What became of spans, by result; all stay at zero while traces are off."""

    def __init__(self, registry: CollectorRegistry, *, prefix: str) -> None:
        spans = Counter(f"{prefix}_spans", "Spans of traces, by what became of them.", ["result"], registry=registry)
        self._spans = {result: spans.labels(result) for result in RESULTS}

    def counted(self, result: str, count: int) -> None:
        """Count spans that had one of RESULTS. On any thread."""
        self._spans[result].inc(count)
