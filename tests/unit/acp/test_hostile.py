"""Agents that lie, hang, flood and break: each ends its task and nothing else, and leaves nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from dispatch_host.agents import Approval, NobodyAnswered, NotDone, NotDoneReason, Result, Task
from dispatch_host.permissions.permission import TERMINAL
from structlog.testing import capture_logs

from tests.support.acp_desk import ONCE, Desk, scripted, sending
from tests.support.agents import IGNORE, Deeds, Nobody, SaidMeanwhile, check_agent, leaves_nothing
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.unit.sandbox.test_limits import running

pytestmark = pytest.mark.big


async def test_it_keeps_the_contract_of_all_agents(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    desk.toolboxes = [sending(desk)]
    deeds = Deeds(
        makes=lambda path: script({"write": [str(path), "x"]}),
        reaches=lambda path: script(
            {"say": IGNORE},
            {"read": str(path)},
            {"open": str(path)},
            {"run": ["cat", str(path)]},
            {"tool": ["send_file", {"file": str(path)}]},
            {"write": [str(path.with_name("new")), "x"]},
            {"own_write": str(path.with_name("new"))},
            {"run": ["touch", str(path.with_name("new"))]},
        ),
        sends=lambda path: script({"tool": ["send_file", {"file": str(path)}]}),
        remembers=("the word is heron", "what was the word?", "heron"),
    )

    await check_agent(lambda: desk.agent, folder.resolve(), deeds, TERMINAL)


def script(*steps: dict[str, Any]) -> str:
    return f"script:{json.dumps(steps)}"


CALL = {"jsonrpc": "2.0", "id": 7, "method": "fs/read_text_file", "params": {"sessionId": "session-0", "path": "/x"}}


@pytest.mark.parametrize(
    "line",
    [
        "this is no protocol",
        "[1, 2]",
        '{"jsonrpc": "2.0", "method": ["x"], "id": 1}',
        '{"jsonrpc": "2.0", "method": "x", "id": {"a": 1}}',
        '{"jsonrpc": "2.0", "method": "x", "params": [1]}',
        '{"jsonrpc": "2.0", "id": "0", "result": {}}',
        '{"jsonrpc": "2.0", "id": 2, "error": "a secret word"}',
        '{"jsonrpc": "2.0", "id": 2, "result": {"stopReason": "a secret word"}}',
        '{"jsonrpc": "2.0", "id": 2, "result": NaN}',
        "[" * 100_000,
        f'{{"x": {"9" * 5000}}}',
    ],
    ids=lambda line: line[:40],
)
async def test_what_is_no_protocol_ends_it(desk: Desk, line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), capture_logs() as logged:
        end = await desk.plays({"raw": line}, {"hang": None})

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_FAILED
    assert "not the Agent Client Protocol" in end.text
    assert "secret word" not in caplog.text + repr(logged)


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"jsonrpc": "2.0", "method": "no/such", "params": {"a": "a secret word"}}),
        json.dumps({"jsonrpc": "2.0", "id": 99, "method": "no/such", "params": {"a": "a secret word"}}),
        json.dumps({"jsonrpc": "2.0", "id": 98, "method": "elicitation/create", "params": {"a": "a secret word"}}),
        json.dumps({"jsonrpc": "2.0", "method": "session/update", "params": {"update": "a secret word"}}),
        json.dumps({**CALL, "params": {"sessionId": "another", "path": "/a secret word"}}),
        json.dumps({**CALL, "params": {"sessionId": 7, "path": "a secret word"}}),
        json.dumps({**CALL, "params": {**CALL["params"], "_meta": {"self": 1, "path": 7}}}),  # type: ignore[dict-item]
        json.dumps({"jsonrpc": "2.0", "id": 12345, "result": "an answer to nothing"}),
        '{"jsonrpc": "2.0", "id": "\\ud800", "method": "no/such"}',
    ],
)
async def test_what_is_only_strange_is_refused_or_passed_over(
    desk: Desk, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), capture_logs() as logged:
        end = await desk.plays({"raw": line}, {"say": "still here"})

    assert end == Result("still here")
    assert "secret word" not in caplog.text
    assert logged == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_message_without_end_ends_it(desk: Desk) -> None:
    end = await desk.plays({"huge": 9 * 1024 * 1024})

    assert isinstance(end, NotDone)
    assert "too long" in end.text


async def test_a_flood_of_updates_holds_up_nothing_and_of_what_it_says_as_much_is_kept_as_is_told(desk: Desk) -> None:
    end = await desk.plays({"flood": 5000}, {"say": "x" * 200_000}, {"say": "y"})

    assert isinstance(end, Result)
    assert len(end.text.encode()) < 48 * 1024


async def test_one_that_breaks_says_its_last_words_to_the_person(desk: Desk) -> None:
    end = await desk.plays({"exit": 3})

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_FAILED
    assert "code 3" in end.text
    assert "something is wrong with me" in end.text


async def test_one_that_is_no_agent_at_all_is_ended(desk: Desk) -> None:
    desk.preset = type(desk.preset)(name="cat", title="Cat", command=("cat",), network=False)

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)  # it sends everything back: our own request is nothing that we answer
    assert end.reason is NotDoneReason.AGENT_FAILED


@pytest.mark.parametrize("option", ["--hang", "--garbage", "--version=9"])
async def test_one_that_does_not_begin_is_ended(desk: Desk, option: str) -> None:
    desk.preset, desk.start_seconds = scripted(option), 2.0 if option == "--hang" else 60.0

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)
    assert end.reason in (NotDoneReason.AGENT_FAILED, NotDoneReason.AGENT_UNAVAILABLE)


async def test_what_it_started_is_gone_with_it(desk: Desk) -> None:
    end = await desk.plays({"leave": f"--left-by-the-agent-{os.getpid()}"}, {"say": "done"})

    assert end == Result("done")
    assert not running(f"--left-by-the-agent-{os.getpid()}")


async def test_a_cancel_kills_all_of_it_and_tells_it_before(desk: Desk) -> None:
    kept = desk.home / ".scripty"
    kept.mkdir()
    desk.preset, desk.let_go_seconds = scripted(sessions=kept), DEADLINE_SECONDS
    script = [
        {"leave": f"--cancelled-agent-{os.getpid()}"},
        {"start": ["python3", "-c", "__import__('time').sleep(600)", f"--cancelled-program-{os.getpid()}"]},
        {"hang": None},
    ]
    task = Task("task-1", f"script:{json.dumps(script)}")

    async with leaves_nothing():
        events = desk.agent.run(task, gate=desk.opens(), history=[], ask=Nobody(ONCE), words=SaidMeanwhile())
        async with aclosing(events):
            await anext(events)
            await until(
                lambda: running(f"--cancelled-agent-{os.getpid()}") and running(f"--cancelled-program-{os.getpid()}")
            )

    assert not running(f"--cancelled-agent-{os.getpid()}")
    assert not running(f"--cancelled-program-{os.getpid()}")
    assert (kept / "cancelled").read_text() == "session-0"


async def test_while_it_is_asked_nothing_holds_up_a_cancel(desk: Desk) -> None:
    class Silent(Nobody):
        async def may(self, question: Approval) -> NobodyAnswered:
            asked.set()
            await asyncio.Event().wait()
            return NobodyAnswered()

    asked = asyncio.Event()
    script = json.dumps([{"ask": {"title": "x"}}])

    async with leaves_nothing():
        events = desk.agent.run(
            Task("task-1", f"script:{script}"), gate=desk.opens(), history=[], ask=Silent(), words=SaidMeanwhile()
        )
        reading = asyncio.ensure_future(anext(events))
        await asked.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await events.aclose()
