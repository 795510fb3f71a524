"""Tools for an external agent: a server of ours that it reaches by a bridge, behind which each call is permitted and asked for.

Called by whoever starts such agents, once a task. The agent gets no command, address or secret of a connector, and so can't
go around a grant, also not one for a single tool. docs/connectors.md, Agents that are programs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch.endings import to_its_end
from dispatch.plain import one_line

from dispatch_host.agents.agent import Step
from dispatch_host.agents.toolbox import Tool, Toolbox, ToolFailed, Work
from dispatch_host.connectors.meter import Meter

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.server import ServerRequestContext

    from dispatch_host.connectors.owed import Owed

NAME = "dispatch"
_SOCKET, _BRIDGE = "tools.sock", "bridge.py"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_MOST_CONNECTIONS = 8
_SHOWN_CHARACTERS, _READ_CHARACTERS = 400, 4000
_CHUNK_BYTES = 64 * 1024
LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What to tell an agent: a server by stdio, and the folder that its sandbox has to see, read-only, at its own path."""

    folder: Path
    command: str
    args: Sequence[str]
    name: str = NAME
    env: Mapping[str, str]


class NoBridge(Exception):
    """What the bridge is made of is not on this computer. The text is for a person."""


@contextlib.asynccontextmanager
async def passing(toolboxes: Sequence[Toolbox], work: Work, *, system_path: str = SYSTEM_PATH) -> AsyncIterator[Passed]:
    """Offer the tools of these toolboxes for one task. Ended, no call of it goes on. Raises NoBridge.

    `system_path` is where the Python is looked for: in the system, which every sandbox sees.
    """
    python = shutil.which("python3", path=system_path)
    if python is None:
        raise NoBridge("There is no python3 in the system, which would be the bridge to them.")
    if find_spec("mcp") is None:
        raise NoBridge("The Model Context Protocol is not installed: pip install 'dispatch-host[mcp]'.")
    made = contextlib.ExitStack()
    try:
        folder = Path(await to_its_end(asyncio.to_thread(_folder, made)))
        async with _listening(folder / _SOCKET, toolboxes, work):
            yield Passed(
                folder=folder, command=python, args=["-I", str(folder / _BRIDGE), str(folder / _SOCKET)], env={}
            )
    finally:
        await to_its_end(asyncio.to_thread(made.close))


@contextlib.asynccontextmanager
async def _listening(socket: Path, toolboxes: Sequence[Toolbox], work: Work) -> AsyncIterator[None]:
    from dispatch_host.connectors.owed import Owed  # noqa: PLC0415 -- an extra

    serving: set[asyncio.Task[None]] = set()
    desk, meter, owed = _Desk(toolboxes, work), Meter(), Owed()

    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(serving) >= _MOST_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(_serve(reader, writer, desk, meter, owed))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_unix_server(come, path=socket)
    try:
        yield
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, desk: _Desk, meter: Meter, owed: Owed
) -> None:
    """Speak the protocol with one bridge. All of a task's share a desk, what is owed, and a meter, which is never asked anew."""
    import anyio  # noqa: PLC0415 -- an extra, and slow to import
    from mcp.server import Server  # noqa: PLC0415
    from mcp.shared.message import SessionMessage  # noqa: PLC0415

    from dispatch_host.connectors.lines import hear, speak  # noqa: PLC0415
    from dispatch_host.connectors.owed import Connection  # noqa: PLC0415

    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    def may_be_read(line: bytes) -> bool:
        return len(line) <= LINE_BYTES and meter.heard(len(line))

    server = Server[dict[str, object]](NAME, on_list_tools=desk.tools, on_call_tool=desk.call)
    heard_in, heard = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    said, said_out = anyio.create_memory_object_stream[SessionMessage](0)
    refusals = said.clone()  # the SDK closes its own
    connection = Connection(owed, refusals)
    try:
        async with heard_in, heard, said, said_out, refusals, anyio.create_task_group() as both:
            both.start_soon(hear, lambda: reader.read(_CHUNK_BYTES), heard_in, may_be_read, connection.admit)
            both.start_soon(speak, write, said_out, connection.written)
            await server.run(heard, said, server.create_initialization_options())
            both.cancel_scope.cancel()
    finally:
        owed.ended(connection)
        writer.close()


class _Desk:
    """Answers an agent: lists what is permitted now, and carries calls out one after the other."""

    def __init__(self, toolboxes: Sequence[Toolbox], work: Work) -> None:
        self._toolboxes = toolboxes
        self._work = work
        self._one, self._listing = asyncio.Lock(), asyncio.Lock()  # a list does not wait for a person

    async def tools(
        self, _: ServerRequestContext[dict[str, object]], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        import mcp_types as types  # noqa: PLC0415 -- an extra
        from mcp.shared.exceptions import MCPError  # noqa: PLC0415

        try:
            async with self._listing:
                found = await self._found()
        except ToolFailed as failure:
            raise MCPError(types.INVALID_REQUEST, str(failure)) from None
        return types.ListToolsResult(
            tools=[types.Tool(name=one.name, description=one.about, input_schema=dict(one.takes)) for one in found]
        )

    async def call(
        self, _: ServerRequestContext[dict[str, object]], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        import mcp_types as types  # noqa: PLC0415 -- an extra
        from dispatch import errors  # noqa: PLC0415

        written = json.dumps(params.arguments or {}, ensure_ascii=False)
        try:
            async with self._one:
                text, failed = await self._done(params.name, written), False
        except ToolFailed as failure:
            text, failed = str(failure), True
        except errors.NotPermitted as failure:
            text, failed = failure.sentence, True
        return types.CallToolResult(content=[types.TextContent(text=text)], is_error=failed)

    async def _done(self, name: str, written: str) -> str:
        """Carry a call out. Raises ToolFailed, NotPermitted."""
        tool = next((one for one in await self._found() if one.name == name), None)
        if tool is None:
            raise ToolFailed("There is no such tool, or it is not permitted.")
        await self._work.tell(
            Step(tool.name.replace("_", " "), one_line(written[:_READ_CHARACTERS], _SHOWN_CHARACTERS))
        )
        return await tool.run(json.loads(written), self._work)

    async def _found(self) -> list[Tool]:
        return [tool for toolbox in self._toolboxes for tool in await toolbox.tools(self._work)]


def _folder(made: contextlib.ExitStack) -> str:
    """Make the folder that one sandbox sees, until the stack is closed: ours alone, with a bridge in it."""
    folder = tempfile.mkdtemp(prefix="dispatch-tools-")
    made.callback(shutil.rmtree, folder, ignore_errors=True)
    shutil.copyfile(Path(__file__).with_name(_BRIDGE), os.path.join(folder, _BRIDGE))
    return folder
