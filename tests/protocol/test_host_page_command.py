"""`dispatch-host status --page` as a program."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.processes import Process, run


async def test_it_says_where_the_page_is_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    serving = await Process.start("dispatch-host", "status", "--page", "--home", str(tmp_path))
    told = await serving.event("page")

    assert told["url"].startswith("http://127.0.0.1:")
    assert len(told["url"].partition("/#")[2]) == 43
    assert await serving.stop() == 0


@pytest.mark.big
async def test_every_start_has_a_token_of_its_own(tmp_path: Path) -> None:
    urls = []
    for _ in range(2):
        serving = await Process.start("dispatch-host", "status", "--page", "--home", str(tmp_path))
        urls.append((await serving.event("page"))["url"].partition("#")[2])
        await serving.stop()

    assert len(set(urls)) == 2


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, events = await run("dispatch-host", "status", "--page", "--port", str(port), "--home", str(tmp_path))

    assert (code, events[-1]["reason"]) == (2, "BAD_REQUEST")


async def test_without_its_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError(name='starlette')\n")

    words = ("dispatch-host", "status", "--page", "--home", str(tmp_path / "home"))
    code, events = await run(*words, env={"PYTHONPATH": str(tmp_path)})

    assert (code, events[-1]["reason"]) == (9, "NOT_SUPPORTED")
    assert "dispatch-host[page]" in events[-1]["detail"]
