"""Connectors for an external agent: one server behind a bridge, and each call permitted and asked for as for our own agents."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.toolbox import Tool, Work
from dispatch_host.connectors.meter import MOST_BYTES
from dispatch_host.connectors.owed import MOST_OPEN, MOST_OPEN_BYTES
from dispatch_host.connectors.passing import LINE_BYTES, Passed, passing
from dispatch_host.permissions.permission import TERMINAL
from dispatch_host.sandbox.program import Limits, Output, Program
from dispatch_host.scope import Folder
from dispatch_host.weight import MOST_VALUES
from mcp import Client, StdioServerParameters

from tests.support.agents import OpenGate
from tests.support.connector_world import YES, ConnectorWorld, asked, used
from tests.support.slow_threads import SlowThreads
from tests.support.waiting import DEADLINE_SECONDS, until, until_so


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


@pytest.mark.big
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


class Hanging:
    """A toolbox with a tool that does not end, as one that waits for a person."""

    def __init__(self) -> None:
        self.began = 0

    async def tools(self, work: Work) -> Sequence[Tool]:
        del work
        return [Tool("wait", "Waits.", {"type": "object"}, self._wait)]

    async def _wait(self, given: Mapping[str, JSON], work: Work) -> str:
        del given, work
        self.began += 1
        await asyncio.Event().wait()
        return ""


class Bridge:
    """An agent that speaks to the host's socket by itself, whatever it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._said = 0

    async def begins(self) -> None:
        await self.asks("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=CLIENT)
        assert await self.hears()
        await self.writes({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def asks(self, method: str, **params: object) -> None:
        self._said += 1
        await self.writes({"jsonrpc": "2.0", "id": self._said, "method": method, "params": params})

    async def calls(self, text: str = "") -> None:
        await self.asks("tools/call", name="wait", arguments={"text": text})

    async def writes(self, said: Mapping[str, object]) -> None:
        self._writer.write(json.dumps(said).encode() + b"\n")
        await self._writer.drain()

    async def hears(self) -> str:
        """Give a line of the host's; nothing when it has hung up."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            try:
                return (await self._reader.readline()).decode()
            except ConnectionError:
                return ""


CLIENT = {"name": "a", "version": "1"}


@asynccontextmanager
async def bridge(passed: Passed) -> AsyncIterator[Bridge]:
    reader, writer = await asyncio.open_unix_connection(passed.args[-1], limit=8 * 1024 * 1024)
    try:
        speaking = Bridge(reader, writer)
        await speaking.begins()
        yield speaking
    finally:
        writer.close()


@asynccontextmanager
async def hanging(world: ConnectorWorld) -> AsyncIterator[tuple[Hanging, Passed]]:
    box = Hanging()
    async with passing([box], world.work()) as passed:
        yield box, passed


async def test_calls_that_wait_have_a_bound_for_the_task_whatever_many_connections_it_has(
    world: ConnectorWorld,
) -> None:
    async with hanging(world) as (box, passed), bridge(passed) as one, bridge(passed) as other:
        for number in range(MOST_OPEN + 1):
            await (one, other)[number % 2].calls()

        hearing = [asyncio.create_task(agent.hears()) for agent in (one, other)]
        refused, rest = await asyncio.wait(hearing, return_when=asyncio.FIRST_COMPLETED)
        assert ["Too many calls at once" in said.result() for said in refused] == [True]
        assert box.began == 1
        for waiting in rest:
            waiting.cancel()


async def test_what_waits_has_a_bound_in_bytes(world: ConnectorWorld) -> None:
    size = LINE_BYTES - 1024
    async with hanging(world) as (box, passed), bridge(passed) as agent:
        for _ in range(MOST_OPEN_BYTES // size + 1):
            await agent.calls("x" * size)

        assert "Too many calls at once" in await agent.hears()
        assert box.began == 1


class Wordy:
    """A toolbox whose list is long."""

    async def tools(self, work: Work) -> Sequence[Tool]:
        del work
        return [Tool("read", "x" * LINE_BYTES, {"type": "object"}, self._read)]

    async def _read(self, given: Mapping[str, JSON], work: Work) -> str:
        raise AssertionError("nothing is called")


async def test_answers_that_an_agent_does_not_read_count_as_calls_that_wait(world: ConnectorWorld) -> None:
    async with passing([Wordy()], world.work()) as passed, bridge(passed) as agent:
        for _ in range(3 * MOST_OPEN):
            await agent.asks("tools/list")

        answers = [json.loads(await agent.hears()) for _ in range(3 * MOST_OPEN)]

    assert sorted(one["id"] for one in answers) == [number + 2 for number in range(3 * MOST_OPEN)]
    assert ["Too many calls at once" in one["error"]["message"] for one in answers if "error" in one]


async def test_a_call_that_an_agent_takes_back_makes_room(world: ConnectorWorld) -> None:
    async with hanging(world) as (_, passed), bridge(passed) as agent:
        for _ in range(MOST_OPEN):
            await agent.calls()
        for number in range(MOST_OPEN):
            taken_back = {"requestId": number + 2}
            await agent.writes({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": taken_back})

        async def is_answered() -> bool:
            await agent.asks("tools/list")
            return '"name":"wait"' in await agent.hears()

        await until_so(is_answered)


async def test_a_call_with_the_id_of_one_that_waits_is_refused_by_no_id(world: ConnectorWorld) -> None:
    async with hanging(world) as (box, passed), bridge(passed) as agent:
        for _ in range(2):
            await agent.writes({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "wait"}})

        assert '"id":null' in await agent.hears()
        assert box.began == 1


@pytest.mark.parametrize(
    "arguments", [["x" * LINE_BYTES], [[] for _ in range(MOST_VALUES)]], ids=["too long", "too many values"]
)
async def test_a_message_that_would_fill_the_memory_ends_its_connection(
    world: ConnectorWorld, arguments: list[object]
) -> None:
    async with hanging(world) as (box, passed), bridge(passed) as agent:
        await agent.asks("tools/call", name="wait", arguments={"all": arguments})

        assert await agent.hears() == ""
        assert box.began == 0


@pytest.mark.big
async def test_all_that_one_task_says_has_a_bound_also_on_a_new_connection(world: ConnectorWorld) -> None:
    filler = {"jsonrpc": "2.0", "method": "notifications/of_nothing", "params": {"x": "x" * (LINE_BYTES - 1024)}}
    async with hanging(world) as (_, passed):
        async with bridge(passed) as agent:
            with suppress(ConnectionError):
                for _ in range(MOST_BYTES // LINE_BYTES + 8):
                    await agent.writes(filler)
            assert await agent.hears() == ""
        reader, writer = await asyncio.open_unix_connection(passed.args[-1])
        again = Bridge(reader, writer)
        await again.asks("ping")
        assert await again.hears() == ""
        writer.close()


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


@pytest.mark.parametrize("slow", ["_folder", "close"])
async def test_a_task_that_is_cancelled_leaves_no_folder_behind(
    monkeypatch: pytest.MonkeyPatch, world: ConnectorWorld, slow: str
) -> None:
    with tempfile.TemporaryDirectory() as short:  # for the socket in it
        monkeypatch.setattr(tempfile, "tempdir", short)
        slowly = SlowThreads(slow)

        async def work() -> None:
            async with passing([], world.work()):
                pass

        assert await slowly.outlived_by(work())
        assert os.listdir(short) == []
