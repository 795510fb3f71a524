"""Connectors on a host that runs: a permission taken back ends the task in its call, and the owner sees how they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host.agents import Task
from dispatch_host.agents.acp.agent import External
from dispatch_host.agents.toolbox import Work

from tests.support import processes
from tests.support.acp_desk import scripted
from tests.support.connector_world import ConnectorWorld, unasked
from tests.support.host_bench import Bench
from tests.support.processes import ENVIRONMENT

MAIL = pb.Permission(kind=pb.PERMISSION_KIND_CONNECTOR, name="mail")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors with one server, `mail`, whose tool `hang` needs no yes."""
    root = tmp_path / "connectors"
    root.mkdir()
    async with ConnectorWorld(root) as world:
        world.defines(mail=world.program("mail", tools=unasked("hang")))
        yield world


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


@pytest.mark.big
async def test_a_permission_taken_back_in_a_call_ends_the_task_and_the_server_is_told(
    bench: Bench, world: ConnectorWorld
) -> None:
    async def calls(gate: Any, ask: Any, _words: object) -> object:
        async def tell(_: object) -> None:
            return None

        work = Work(Task("task-1", "work"), gate, ask, tell)
        tool = await world.tool(work, "mail__hang")
        return await tool.run({}, work)

    async with bench.control() as control:
        await control.allow_permission(MAIL, 0)
        task_id = (await bench.phone.sends("work")).task_id
        await bench.phone.sees(task_id, "started")
        bench.agent.says("work", calls)
        await world.noted("mail", "called hang")

        assert await control.revoke_permission(MAIL)

        ended = await bench.phone.sees_end(task_id)
        lines = [(line.permission, line.subject) async for line in control.read_audit(0, task_id)]
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_PERMISSION_TAKEN_BACK)
    assert "connector mail/hang" in ended.text
    assert lines == [("connector mail/hang", "mail/hang")]
    await world.noted("mail", "cancelled hang")


@pytest.mark.big
async def test_it_ends_the_task_of_an_external_agent_too(bench: Bench, world: ConnectorWorld, tmp_path: Path) -> None:
    if (await world.terminal.found()).programs is None:
        pytest.skip("there is no sandbox here")
    folder = tmp_path / "approved"
    folder.mkdir()
    script = json.dumps([{"tool": ["mail__hang", {}]}])
    agent = External(
        scripted(), terminal=world.terminal, home=world.home, environment=ENVIRONMENT, toolboxes=[world.connectors]
    )

    async def works(gate: Any, ask: Any, words: Any) -> object:
        task = Task("task-1", f"script:{script}")
        async with aclosing(agent.run(task, gate=gate, history=[], ask=ask, words=words)) as events:
            return [event async for event in events][-1]

    async with bench.control() as control:
        await control.allow_permission(MAIL, 0)
        await control.allow_permission(pb.Permission(kind=pb.PERMISSION_KIND_TERMINAL), 0)
        await control.allow_permission(pb.Permission(kind=pb.PERMISSION_KIND_FOLDER, name=str(folder)), 0)
        task_id = (await bench.phone.sends("work")).task_id
        await bench.phone.sees(task_id, "started")
        bench.agent.says("work", works)
        await world.noted("mail", "called hang")

        assert await control.revoke_permission(MAIL)

        ended = await bench.phone.sees_end(task_id)
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_PERMISSION_TAKEN_BACK)
    await world.noted("mail", "cancelled hang")


async def host(home: Path, *words: str) -> tuple[int, list[processes.Event]]:
    return await processes.run("dispatch-host", "--home", str(home), *words)


@pytest.mark.big
async def test_the_owner_lists_and_checks_connectors(world: ConnectorWorld, tmp_path: Path) -> None:
    home = tmp_path / "host"
    home.mkdir()
    world.file = home / "connectors.json"
    world.defines(
        mail=world.program("mail", tools=unasked("echo")),
        gone=world.program("gone", "--dies", env={"PASSWORD": "hidden-words"}),
        wrong={"command": "x", "sanbox": True},
        missing={"command": "no-such-program"},
    )
    assert (await host(home, "permissions", "allow", "connector", "mail/echo"))[0] == 0

    listed = {event["connector"]: event for event in (await host(home, "connectors"))[1]}
    code, [mail] = await host(home, "connectors", "check", "mail")
    gone_code, [gone] = await host(home, "connectors", "check", "gone")
    missing_code, [missing] = await host(home, "connectors", "check", "missing")
    unknown_code, _ = await host(home, "connectors", "check", "unknown")
    status = (await host(home, "status"))[1][0]
    findings = {event.get("link"): event for event in (await host(home, "doctor"))[1]}

    assert {name: event["state"] for name, event in listed.items()} == {
        "mail": "off",
        "gone": "off",
        "missing": "off",
        "wrong": "wrong",
    }
    assert listed["missing"]["text"] == missing["text"] == "there is no program no-such-program here"
    assert (missing_code, missing["state"]) == (4, "broken")
    assert listed["wrong"]["mistakes"] == [
        "mcpServers.wrong.sanbox: nothing is known by this name for a command; there are args, callSeconds, command, cwd,"
        " disabled, env, network, ours, sandbox, startSeconds, tools, type"
    ]
    tools = {tool["tool"]: (tool["permitted"], tool["asks"]) for tool in mail["tools"]}
    assert (code, mail["state"], tools["echo"], tools["hang"]) == (0, "ready", (True, False), (False, True))
    assert (gone_code, gone["state"], unknown_code) == (4, "broken", 2)
    assert "the password is (hidden)" in gone["wrote"]
    assert {one["connector"]: one["state"] for one in status["connectors"]} == {"wrong": "wrong"}
    assert findings["connectors"]["state"] == "warning"  # the others work, and so does the way to the phone


@pytest.mark.big
async def test_the_owner_lists_adds_and_removes_skills(tmp_path: Path) -> None:
    home, shelf = tmp_path / "host", tmp_path / "shelf"
    for folder, name in ((home / "skills", "notes"), (shelf, "more"), (shelf, "Bad")):
        (folder / name).mkdir(parents=True)
        (folder / name / "SKILL.md").write_text(f"---\nname: {name}\ndescription: Does {name}.\n---\n")

    assert [event["skill"] for event in (await host(home, "skills"))[1]] == ["notes"]
    added = (await host(home, "skills", "add", str(shelf)))[1]
    listed = {event["skill"]: event for event in (await host(home, "skills", "list"))[1]}
    await host(home, "skills", "remove", str(shelf))

    assert added == [{"event": "skill_folder", "path": str(shelf), "removed": False, "changed": True}]
    assert {name: event["usable"] for name, event in listed.items()} == {"notes": True, "more": True, "Bad": False}
    assert listed["Bad"]["mistakes"] == ["its name has more than small letters, digits and -"]
    assert [event["skill"] for event in (await host(home, "skills"))[1]] == ["notes"]
