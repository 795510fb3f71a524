"""A connector by URL: a real server by HTTP on port 0."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dispatch_host.connectors.http import http
from dispatch_host.connectors.life import State
from dispatch_host.connectors.line import line
from dispatch_host.connectors.meter import Meter
from dispatch_host.weight import MOST_VALUES

from tests.support.connector_world import SERVER, YES, ConnectorWorld, failure
from tests.support.ports import port_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS, until

ALWAYS_YES = [YES] * 8


@asynccontextmanager
async def serving(world: ConnectorWorld, *, port: int = 0) -> AsyncIterator[int]:
    """Run the server; give its port."""
    before = len(world.notes("web"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SERVER),
        str(world.root / "web"),
        "--http",
        env={**os.environ, "PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: any(line.startswith("listens") for line in world.notes("web")[before:]))
        yield int(next(line for line in world.notes("web")[before:] if line.startswith("listens")).split()[1])
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


def entry(port: int, brings: str = "Bearer ${TOKEN}") -> dict[str, object]:
    return {"url": f"http://127.0.0.1:{port}/mcp", "headers": {"Authorization": brings}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors without any yet."""
    async with ConnectorWorld(tmp_path) as world:
        yield world


@pytest.mark.big
async def test_a_server_by_url_is_used_like_any_and_opened_anew_when_it_was_away(world: ConnectorWorld) -> None:
    work = world.work("web", replies=ALWAYS_YES)
    async with serving(world, port=port_to_come_back_to()) as port:
        world.defines(web=entry(port))
        assert (await world.calls(work, "web__echo", text="hello"))["text"] == "hello"
        calling = asyncio.create_task(world.calls(work, "web__hang"))
        await world.noted("web", "called hang")
        calling.cancel()
        await asyncio.wait({calling})
        await world.noted("web", "cancelled hang")
        echo = await world.tool(work, "web__echo")

    assert "is not there" in await failure(echo.run({}, work))
    assert world.connectors.seen()[0].life.state is State.BROKEN

    async with serving(world, port=port):
        assert (await world.calls(work, "web__echo", text="back"))["text"] == "back"


@pytest.mark.big
async def test_a_server_that_lets_nobody_in_is_told_without_the_secret(world: ConnectorWorld) -> None:
    async with serving(world) as port:
        world.defines(web=entry(port, "Bearer wrong-token"))

        assert not await world.connectors.tools(world.work("web"))

    [seen] = world.connectors.seen()
    assert seen.life.why == "it does not speak the protocol, or lets nobody in"
    assert "turned away" in world.notes("web")
    assert "wrong-token" not in repr(world.told) + seen.life.why + seen.wrote


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b" " * (9 * 1024 * 1024),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\nx",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n",
        b"no HTTP at all",
    ],
    ids=["endless", "compressed", "redirect", "garbage"],
)
async def test_a_server_that_answers_with_anything_else_is_not_there(world: ConnectorWorld, answer: bytes) -> None:
    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async with await asyncio.start_server(come, "127.0.0.1", 0) as server:
        world.defines(web=entry(server.sockets[0].getsockname()[1]))

        assert not await world.connectors.tools(world.work("web"))

    [seen] = world.connectors.seen()
    assert seen.life.state is State.BROKEN
    assert seen.life.why


VALUES = b"[]," * MOST_VALUES
HEAVY = b'{"jsonrpc":"2.0","id":1,"result":{"x":[' + VALUES + b"\n[]]}}"


@pytest.mark.parametrize(
    "answer",
    [
        b"content-type: application/json\r\n\r\n" + HEAVY,
        b"content-type: text/event-stream\r\n\r\ndata: " + HEAVY.replace(b"\n", b"\r\ndata: ") + b"\r\n\r\n",
        b"content-type: text/event-stream\r\n\r\n: hello\n\ndata: "
        + HEAVY.replace(VALUES, VALUES.replace(b",", b",\rdata:"))
        + b"\r",
        # Read as UTF-16 this would be another event, whose end is elsewhere.
        b"content-type: text/event-stream; charset=utf-16\r\n\r\ndata: " + HEAVY + b"\n\n",
    ],
    ids=["body", "event", "event of many lines", "another character set"],
)
async def test_a_server_whose_message_has_too_many_values_is_ended_before_it_is_read(
    world: ConnectorWorld, answer: bytes
) -> None:
    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n" + answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(come, "127.0.0.1", 0) as server:
        world.defines(web=entry(server.sockets[0].getsockname()[1]))

        assert not await world.connectors.tools(world.work("web"))

    [seen] = world.connectors.seen()
    assert seen.life.state is State.BROKEN
    assert seen.life.why == "it says more than anybody asked for"


class Idler:
    """A server that offers nothing, and whose stream of events is comments without end."""

    def __init__(self) -> None:
        self.open = 0  # connections
        self.left = asyncio.Event()

    async def come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()
        self.open -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            body = json.loads(await reader.readexactly(int(length[1]))) if length and length[1] != "0" else {}
            if head.startswith("GET"):
                await self._comment(writer)
                return
            self._answer(writer, body)
            await writer.drain()

    async def _comment(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        try:
            while True:
                writer.write(b": x\n" * 1000)
                await writer.drain()
        except ConnectionError:
            self.left.set()

    def _answer(self, writer: asyncio.StreamWriter, asked: dict[str, Any]) -> None:
        if "id" not in asked:
            writer.write(b"HTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n")
            return
        version = asked.get("params", {}).get("protocolVersion")
        info = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
        result = info if asked["method"] == "initialize" else {"tools": []}
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: 1\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


async def test_an_idle_stream_of_comments_without_end_is_counted_and_ends_the_connection() -> None:
    idler, meter, ended = Idler(), Meter(most_bytes=256 * 1024), asyncio.Event()
    async with await asyncio.start_server(idler.come, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        async with line(http(url, {}, meter, ended.set), meter, by_program=False, seconds=DEADLINE_SECONDS):
            async with asyncio.timeout(DEADLINE_SECONDS):
                await ended.wait()
                await idler.left.wait()
        await until(lambda: idler.open == 0)

    assert meter.is_over
