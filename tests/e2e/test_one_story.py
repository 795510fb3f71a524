"""One task, through real processes: its id is in the logs of phone, relay and host, and its trace has a part of each of them.

And of what was asked, and what came back, nothing is in either. docs/logs.md, docs/operations.md "Traces".
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from dispatch.ids import TaskId
from dispatch.tracing import ATTRIBUTES, root_of, span_of

from tests.support.canary import find
from tests.support.collector import Collector, Told, collecting
from tests.support.lateness import never_ran
from tests.support.processes import Event
from tests.support.waiting import until, until_so
from tests.support.world import World, scrape

CANARY = "whistleblowercanary"
ROOT = Path(__file__).resolve().parents[2]
SPANS = {
    ("dispatch-phone", "sending"), ("dispatch-phone", "task"),
    ("dispatch-relay", "hand over"), ("dispatch-relay", "verdict"), ("dispatch-relay", "outcome"),
    ("dispatch-relay", "delivery"),
    ("dispatch-host", "waiting"), ("dispatch-host", "running"), ("dispatch-host", "step"),
}  # fmt: skip
DOCUMENT = (ROOT / "docs" / "logs.md").read_text()


@dataclass(frozen=True, slots=True)
class Story:
    """What became of one task, as the logs and the collector have it."""

    task: TaskId
    logs: dict[str, bytes]
    collector: Collector
    result: str
    metrics: bytes

    def lines(self, service: str) -> list[dict[str, Any]]:
        """Give the log of phone, relay or host."""
        return [json.loads(line) for line in self.logs[service].splitlines() if line.startswith(b"{")]

    def events(self, service: str) -> list[str]:
        """Give the events of the task in a log."""
        return [line["event"] for line in self.lines(service) if line.get("task") == self.task[:4].hex()]

    def spans(self, name: str) -> list[Told]:
        """Give the spans of that name."""
        return [span for span in self.collector.spans() if span.name == name]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_EXPORT_TIMEOUT": "60000"}
    log = folder / "phone.log"
    async with World(folder, relay_env=traced) as world:
        await world.services()
        asked = world.folder / "files" / CANARY
        asked.mkdir(parents=True)
        (asked / f"{CANARY}.bin").write_bytes(b"x" * 4000)
        host = await world.devices(env=traced)
        last: Event = {}
        while not last or never_ran(last):  # a busy computer may be too late for a task
            phone = await world.start(
                "dispatch-phone", "--log", str(log), "send", f"What are the largest files in {asked}?",
                "--home", world.home("pocket"), env=traced,
            )  # fmt: skip
            await phone.ended()
            last = phone.events[-1]
        # The relay hears of the phone's acknowledgement a moment later.
        await until(lambda: any(span.name == "delivery" for span in collector.spans()))
        metrics = b""

        async def counted() -> bool:  # when the collector has answered, which is a moment after it has them
            nonlocal metrics
            metrics = await scrape(world.relay_metrics)
            return b'dispatch_relay_spans_total{result="exported"} 0.0' not in metrics

        await until_so(counted)
        # What a process has not handed over when it ends is given a second, and then left.
        await until(lambda: {(one.service, one.name) for one in collector.spans()} >= SPANS)
        host.signal(signal.SIGTERM)
        await host.ended()
        await world.relay.stop()
        logs = {"phone": log.read_bytes(), "relay": bytes(world.relay.stderr), "host": bytes(host.stderr)}
        assert log.stat().st_mode & 0o077 == 0
        yield Story(TaskId(UUID(last["task_id"]).bytes), logs, collector, json.dumps(phone.events), metrics)


def test_its_id_is_in_the_log_of_each_with_the_words_of_one_vocabulary(story: Story) -> None:
    assert CANARY in story.result, "else the search below for the canary shows nothing"
    assert [one for one in story.events("phone") if one in {"task sent", "task started", "task over"}][
        -1
    ] == "task over"
    assert {"task sent", "verdict", "task started", "task over"} <= set(story.events("phone"))
    assert {"handed over", "verdict", "task over"} <= set(story.events("relay"))
    assert {"task accepted", "task started", "task over"} <= set(story.events("host"))


def test_a_line_of_a_task_also_names_its_pairing_in_the_same_form(story: Story) -> None:
    of_the_task = [
        line for service in story.logs for line in story.lines(service) if line.get("task") == story.task[:4].hex()
    ]

    assert len({line["pairing"] for line in of_the_task}) == 1
    assert re.fullmatch("[0-9a-f]{8}", of_the_task[0]["pairing"])


def test_a_line_has_an_event_a_level_its_service_and_a_time(story: Story) -> None:
    for service in story.logs:
        for line in story.lines(service):
            assert line["service"] == service
            assert line["level"] in {"info", "warning", "error"}
            assert line["timestamp"].endswith("Z")
            assert line["event"]


def test_the_document_has_the_events_of_a_task(story: Story) -> None:
    written = set(re.findall(r"^\| `([^`]+)` \|", DOCUMENT, re.MULTILINE))

    for service in story.logs:
        assert set(story.events(service)) <= written


def test_no_word_of_the_person_or_of_the_computer_is_in_a_log_or_a_span(story: Story) -> None:
    for service, log in story.logs.items():
        assert log, service
        assert find(CANARY, log) == [], service
    assert [form for body in story.collector.bodies for form in find(CANARY, body)] == []


def test_one_trace_has_the_spans_of_phone_relay_and_host_under_the_phones_root(story: Story) -> None:
    spans, root = story.collector.spans(), root_of(story.task)
    running = span_of(story.task, "running")

    assert {span.trace_id for span in spans} == {bytes(story.task)}
    assert {(span.service, span.name) for span in spans} == SPANS
    assert {(span.span_id, span.parent_id) for span in story.spans("task")} == {(root, b"")}
    for name in ("sending", "verdict", "outcome", "delivery", "waiting", "running"):
        assert {span.parent_id for span in story.spans(name)} == {root}, name
    assert {span.span_id for span in story.spans("running")} == {running}
    assert {span.parent_id for span in story.spans("step")} == {running}
    assert {span.parent_id for span in story.spans("hand over")} <= {span.span_id for span in story.spans("verdict")}


def test_a_span_says_what_is_on_the_list_in_words_of_closed_lists(story: Story) -> None:
    for span in story.collector.spans():
        assert set(span.attributes) <= ATTRIBUTES
        assert all(re.fullmatch(r"\w{1,40}", word) for word in span.attributes.values()), span
        assert span.took_ms >= 0
    assert "done" in {span.attributes["outcome"] for span in story.spans("task")}


def test_what_became_of_the_spans_is_counted(story: Story) -> None:
    counted = dict(line.rpartition(b" ")[::2] for line in story.metrics.splitlines() if b"spans_total{" in line)

    assert float(counted[b'dispatch_relay_spans_total{result="exported"}']) > 0
    assert float(counted[b'dispatch_relay_spans_total{result="dropped"}']) == 0
