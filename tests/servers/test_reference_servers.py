"""The published reference servers as connectors: installed from the lock file by `.ci/run`, started as an owner would."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch_host.scope import Folder

from tests.support.connector_world import YES, ConnectorWorld, asked, failure
from tests.support.ports import port_to_come_back_to
from tests.support.waiting import until_so

BIN = Path(__file__).parent / "node_modules" / ".bin"
ALWAYS_YES = [YES] * 8


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors without any yet."""
    assert BIN.is_dir(), f"run `npm ci --ignore-scripts` in {BIN.parents[1]} first"
    async with ConnectorWorld(tmp_path) as world:
        yield world


async def test_the_filesystem_server_reads_where_it_may_and_nowhere_else(world: ConnectorWorld, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("in the notes")
    (tmp_path / "secret.txt").write_text("secret")
    world.defines(files={"command": str(BIN / "mcp-server-filesystem"), "args": [str(folder)]})
    work = world.work("files", replies=ALWAYS_YES)

    said = await world.calls(work, "files__read_text_file", path=str(folder / "a.txt"))
    outside = await failure(world.calls(work, "files__read_text_file", path=str(tmp_path / "secret.txt")))

    assert said["text"] == "in the notes"
    assert "secret" not in outside.replace("secret.txt", "")
    assert len(asked(work)) == 2


async def test_the_filesystem_server_runs_in_the_sandbox_from_an_approved_folder(
    world: ConnectorWorld, tmp_path: Path
) -> None:
    if (await world.terminal.found()).programs is None:
        pytest.skip("there is no sandbox here")
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("in the notes")
    server = BIN.parent / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js"
    how = {"command": "node", "args": [str(server), str(folder)], "cwd": str(folder), "sandbox": True}
    world.defines(files=how)
    work = world.work("files", replies=ALWAYS_YES, folders=[Folder(folder), Folder(BIN.parents[1])])

    said = await world.calls(work, "files__read_text_file", path=str(folder / "a.txt"))

    assert said["text"] == "in the notes"


async def test_the_everything_server_by_standard_streams(world: ConnectorWorld) -> None:
    world.defines(all={"command": str(BIN / "mcp-server-everything"), "args": ["stdio"]})

    assert "hello" in (await world.calls(world.work("all", replies=ALWAYS_YES), "all__echo", message="hello"))["text"]


async def test_the_everything_server_by_http(world: ConnectorWorld) -> None:
    port = port_to_come_back_to()
    environment = {**world.environment, "PORT": str(port)}
    server = await asyncio.create_subprocess_exec(
        str(BIN / "mcp-server-everything"),
        "streamableHttp",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until_so(lambda: listens(port))
        world.defines(all={"url": f"http://127.0.0.1:{port}/mcp"})
        said = await world.calls(world.work("all", replies=ALWAYS_YES), "all__echo", message="hello")
    finally:
        server.kill()
        await server.wait()

    assert "hello" in said["text"]


async def test_the_time_server_of_the_python_index(world: ConnectorWorld) -> None:
    world.defines(time={"command": str(Path(sys.executable).with_name("mcp-server-time"))})

    said = await world.calls(world.work("time", replies=ALWAYS_YES), "time__get_current_time", timezone="Europe/Berlin")

    assert "Europe/Berlin" in said["text"]


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
