"""Traces cost nothing while they are off, and hold nothing up when their collector is down."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping

import pytest
from dispatch.ids import TaskId
from dispatch.tracing import (
    DROPPED,
    END_TIMEOUT,
    EXPORTED,
    FAILED,
    MOST_WAITING,
    UNTOLD,
    Exporting,
    Traces,
    end_seconds,
    open_traces,
    root_of,
    span_of,
)

from tests.support.collector import collecting
from tests.support.waiting import until

TASK = TaskId(bytes(range(1, 17)))


def counting() -> tuple[Counter[str], Traces]:
    counted: Counter[str] = Counter()

    def count(result: str, count: int) -> None:
        counted[result] += count

    return counted, Exporting(service="dispatch-relay", rng=lambda size: b"\1" * size, counted=count)


def tell(traces: Traces, *, reason: str = "") -> None:
    traces.span("verdict", TASK, start_ms=1_000, end_ms=1_250.5, verdict="accepted", reason=reason)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_they_are_off_unless_a_collector_is_named(environment: Mapping[str, str]) -> None:
    assert open_traces(environment, service="relay", rng=bytes) is UNTOLD


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_they_are_on_when_one_is(name: str) -> None:
    assert open_traces({name: "http://127.0.0.1:4318"}, service="relay", rng=bytes).on


def test_a_protocol_that_is_not_spoken_here_is_refused() -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    with pytest.raises(ValueError, match="http/protobuf"):
        open_traces(asked, service="relay", rng=bytes)


@pytest.mark.parametrize(("said", "seconds"), [({}, 0.5), ({END_TIMEOUT: ""}, 0.5), ({END_TIMEOUT: "60000"}, 60)])
def test_the_end_waits_for_the_collector_as_long_as_the_environment_says(
    said: Mapping[str, str], seconds: float
) -> None:
    assert end_seconds(said, otherwise=0.5) == seconds


def test_an_end_that_waits_for_no_number_of_milliseconds_is_refused() -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        end_seconds({END_TIMEOUT: "soon"}, otherwise=0.5)


def test_while_they_are_off_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, dispatch_relay.app, dispatch_host.app, mobile_sim.desk, mobile_sim.front\n"
        "from dispatch.ids import TaskId\n"
        "from dispatch.tracing import open_traces\n"
        "traces = open_traces({}, service='relay', rng=bytes)\n"
        "traces.span('verdict', TaskId(b'1' * 16), start_ms=0, end_ms=1)\n"
        "traces.close(within_seconds=1)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


async def test_a_span_arrives_with_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        counted, traces = counting()

        tell(traces)
        traces.span("task", TASK, start_ms=900, end_ms=2_000, span_id=root_of(TASK), parent_id=b"", outcome="done")
        await until(lambda: counted[EXPORTED] == 2)
        traces.close(within_seconds=5)

        verdict, task = collector.spans()
        assert (verdict.service, verdict.trace_id, verdict.span_id) == ("dispatch-relay", bytes(TASK), b"\1" * 8)
        assert (verdict.parent_id, task.span_id, task.parent_id) == (root_of(TASK), root_of(TASK), b"")
        assert (verdict.took_ms, verdict.attributes) == (250.5, {"verdict": "accepted"})


async def test_what_waits_at_the_end_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        counted, traces = counting()
        tell(traces)

        traces.close(within_seconds=30)

        assert counted == {EXPORTED: 1}
        assert len(collector.spans()) == 1


async def test_a_collector_that_never_answers_costs_spans_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
        counted, traces = counting()

        # More than it takes off for one try, and all that waits behind.
        for _ in range(2 * MOST_WAITING):
            tell(traces)
        assert counted[DROPPED] >= MOST_WAITING - 512
        traces.close(within_seconds=0.1)

        assert counted[DROPPED] + counted[FAILED] + counted[EXPORTED] <= 2 * MOST_WAITING
        tell(traces)
        assert counted[EXPORTED] == 0, "and after its end it takes nothing"


async def test_a_collector_that_is_not_there_is_counted_and_not_spoken_of(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        gone = once.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://user:pa55word@127.0.0.1:{gone}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    counted, traces = counting()

    tell(traces)
    await until(lambda: counted[FAILED] == 1)
    traces.close(within_seconds=5)

    assert capfd.readouterr() == ("", "")


async def test_one_that_is_set_up_wrongly_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "no address")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
    counted, traces = counting()

    tell(traces)
    await until(lambda: counted[FAILED] == 1)
    traces.close(within_seconds=5)


def test_what_is_not_on_the_list_can_not_be_told() -> None:
    _, traces = counting()

    with pytest.raises(ValueError, match="text"):
        traces.span("verdict", TASK, start_ms=0, end_ms=1, text="what a person asked")


def test_a_task_whose_id_a_trace_can_not_have_is_not_told() -> None:
    counted, traces = counting()

    traces.span("verdict", TaskId(bytes(16)), start_ms=0, end_ms=1)
    traces.close(within_seconds=1)

    assert not counted


def test_ids_of_spans_follow_from_the_task_and_differ() -> None:
    assert root_of(TASK) == span_of(TASK, "task")
    assert len({root_of(TASK), span_of(TASK, "running"), root_of(TaskId(b"\7" * 16))}) == 3
    assert len(root_of(TASK)) == 8
