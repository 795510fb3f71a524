"""Connectors for an external agent: one server behind a bridge, and each call permitted and asked for as for our own agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dispatch_host.agents.toolbox import Work
from dispatch_host.connectors.passing import Passed, passing
from dispatch_host.permissions.permission import TERMINAL
from dispatch_host.sandbox.program import Limits, Output, Program
from dispatch_host.scope import Folder
from mcp import Client, StdioServerParameters

from tests.support.agents import OpenGate
from tests.support.connector_world import YES, ConnectorWorld, asked, used
from tests.support.waiting import until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors with one server, `mail`."""
    async with ConnectorWorld(tmp_path) as world:
        world.defines(mail=world.program("mail", env={"PASSWORD": "${TOKEN}"}))
        yield world


@asynccontextmanager
async def an_agent(world: ConnectorWorld, work: Work) -> AsyncIterator[tuple[Client, Passed]]:
    """Be an agent that was told of the server."""
    async with passing([world.connectors], work) as passed:
        server = StdioServerParameters(command=passed.command, args=list(passed.args), env=dict(passed.env))
        async with Client(server) as client:
            yield client, passed


@pytest.mark.big
async def test_an_agent_sees_what_is_permitted_and_each_call_is_asked_for(world: ConnectorWorld) -> None:
    work = world.work("mail/echo", replies=[YES])
    async with an_agent(world, work) as (agent, passed):
        listed = await agent.list_tools()
        answer = await agent.call_tool("mail__echo", {"text": "hello"})
        unanswered = await agent.call_tool("mail__echo", {"text": "again"})
        not_permitted = await agent.call_tool("mail__hang", {})

        said = "".join((*passed.args, *passed.env, *passed.env.values(), (passed.folder / "bridge.py").read_text()))

    assert [tool.name for tool in listed.tools] == ["mail__echo"]
    assert '"text": "hello"' in repr(answer.content)
    assert (answer.is_error, unanswered.is_error, not_permitted.is_error) == (False, True, True)
    assert [question.text for question in asked(work)] == ["Use `mail/echo`?"] * 2
    assert used(work) == [("connector mail/echo", "mail/echo")]
    assert "secret-token" not in said
    assert not passed.folder.exists()


@pytest.mark.big
async def test_a_call_of_an_agent_ends_with_its_task(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=[YES])

    async def works() -> None:
        async with an_agent(world, work) as (agent, _):
            await agent.call_tool("mail__hang", {})

    task = asyncio.create_task(works())
    await world.noted("mail", "called hang")

    task.cancel()
    await asyncio.wait({task})

    await world.noted("mail", "cancelled hang")


async def test_the_bridge_works_in_the_sandbox_without_the_network(world: ConnectorWorld, tmp_path: Path) -> None:
    programs = (await world.terminal.found()).programs
    if programs is None:
        pytest.skip("there is no sandbox here")
    folder = tmp_path / "approved"
    folder.mkdir()
    (folder / "agent.py").write_text(AGENT)
    work = world.work("mail", replies=[YES], folders=[Folder(folder)])
    assert isinstance(work.gate, OpenGate)
    assert not work.gate.has(TERMINAL)
    async with passing([world.connectors], work) as passed:
        program = Program(
            ("python3", "agent.py", passed.command, *passed.args), folder, own=[Folder(passed.folder)], sockets=True
        )
        running = programs.run(program, folders=[Folder(folder)], network=False, limits=Limits())
        output = "".join([event.data.decode() async for event in running if isinstance(event, Output)])

    assert "mail__echo" in output
    await until(lambda: "listed" in world.notes("mail"))


AGENT = """\
import json, subprocess, sys
bridge = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
asked = [{"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"}]
asked += [{"id": 2, "method": "tools/list"}]
for one in asked:
    bridge.stdin.write(json.dumps({"jsonrpc": "2.0", **one}).encode() + b"\\n")
    bridge.stdin.flush()
    if "id" in one:
        print(bridge.stdout.readline().decode())
"""
