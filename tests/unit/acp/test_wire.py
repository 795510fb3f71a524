"""The sieve before the SDK: what waits for an answer, and for being read, has a bound in bytes, whatever each is."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from acp.client import ClientSideConnection
from acp.schema import SessionNotification
from dispatch_host.agents import Task
from dispatch_host.agents.acp.client import Client, Opened
from dispatch_host.agents.acp.files import Files
from dispatch_host.agents.acp.story import Story
from dispatch_host.agents.acp.terminals import Terminals
from dispatch_host.agents.acp.wire import MOST_OPEN_BYTES, Wire
from dispatch_host.agents.terminal import Terminal
from dispatch_host.sandbox.probe import Found
from dispatch_host.sandbox.program import Ended, Exit
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate
from tests.support.waiting import until

SIZE = MOST_OPEN_BYTES // 4


class Program:
    """An agent's pipes, by hand."""

    complaint = b""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)
        self.heard: list[dict[str, object]] = []

    async def write(self, data: bytes) -> None:
        self.heard.append(json.loads(data))

    async def read(self) -> bytes:
        return self.lines.pop(0) if self.lines else b""

    def end(self) -> None:
        """Nothing is written any more."""

    async def exit(self) -> Exit:
        return Exit(Ended.EXITED, 0)


async def _updated(_: SessionNotification) -> None:
    raise AssertionError("nothing was told")


def write(number: int) -> bytes:
    params = {"sessionId": "s", "path": "/x", "content": "x" * SIZE}
    call = {"jsonrpc": "2.0", "id": number, "method": "fs/write_text_file", "params": params}
    return json.dumps(call).encode() + b"\n"


async def test_requests_that_wait_take_no_more_than_their_bound_and_each_answer_makes_room() -> None:
    program = Program(*(write(number) for number in range(6)))
    wire = Wire(program, updated=_updated)

    passed = [await wire.receive() for _ in range(3)]
    await wire.send({"jsonrpc": "2.0", "id": 0, "result": None})
    passed.append(await wire.receive())
    rest = await wire.receive()

    assert [one and one["id"] for one in passed] == [0, 1, 2, 3]
    assert rest is None
    refused = [one["id"] for one in program.heard if "error" in one]
    assert refused == [4, 5]


class Unread(Program):
    """An agent that takes nothing before it is let."""

    def __init__(self, *lines: bytes) -> None:
        super().__init__(*lines)
        self.takes = asyncio.Event()

    async def write(self, data: bytes) -> None:
        await self.takes.wait()
        await super().write(data)


async def test_an_answer_that_the_agent_does_not_take_waits_as_its_request_did() -> None:
    program = Unread(*(write(number) for number in range(4)))
    wire = Wire(program, updated=_updated)
    for _ in range(3):
        await wire.receive()
    async with asyncio.TaskGroup() as going:
        for number in range(3):
            going.create_task(wire.send({"jsonrpc": "2.0", "id": number, "result": "x"}))
        end = going.create_task(wire.receive())
        await until(lambda: not program.lines)
        program.takes.set()

    assert end.result() is None
    assert [(one["id"], "error" in one) for one in program.heard] == [(0, False), (1, False), (2, False), (3, True)]


class Slow(Program):
    """An agent that takes each answer only when all that could be read meanwhile has been."""

    def __init__(self, gate: OpenGate, *lines: bytes) -> None:
        super().__init__(*lines)
        self._gate = gate
        self.ahead: list[int] = []  # files that were read, and are not taken, at each answer

    async def read(self) -> bytes:
        if not self.lines:
            await asyncio.Event().wait()
        return await super().read()

    async def write(self, data: bytes) -> None:
        for _ in range(50):
            await asyncio.to_thread(os.getpid)  # behind what waits for a thread
        self.ahead.append(len(self._gate.used) - len(self.heard))
        await super().write(data)


async def test_files_are_read_for_an_agent_no_faster_than_it_takes_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    gate = OpenGate([Folder(tmp_path)])
    program = Slow(gate, *(read(number, tmp_path / "a.txt") for number in range(30)))
    client = client_of(gate, tmp_path)
    wire = Wire(program, updated=_updated)
    client.taken = wire.taken
    # As the session has it: the SDK's Protocol wants methods that are never called, too.
    connection = ClientSideConnection(client, wire)  # type: ignore[arg-type]

    await until(lambda: len(program.heard) == 30)
    await connection.close()

    assert [one["result"] for one in program.heard] == [{"content": "words"}] * 30
    assert max(program.ahead) <= 2


def read(number: int, path: Path) -> bytes:
    call = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "fs/read_text_file",
        "params": {"sessionId": "s", "path": str(path)},
    }
    return json.dumps(call).encode() + b"\n"


def client_of(gate: OpenGate, home: Path) -> Client:
    """Give the host's side, with a session open."""
    ask = Nobody()
    files = Files(task=Task("task", "x"), gate=gate, ask=ask, agent="Scripty", home=home, keep_out=[], records=None)
    terminal = Terminal(_no_sandbox, unconfined=Unconfined(home=home))
    terminals = Terminals(terminal=terminal, gate=gate, ask=ask, agent="Scripty", home=home, keep_out=[])
    client = Client(story=Story(), files=files, terminals=terminals)
    client.opened = Opened("s", home)
    return client


async def _no_sandbox() -> Found:
    raise AssertionError("nothing is started")
