"""What README tells a newcomer to type works as it stands there: the blocks are read from it and typed into two shells."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ports import port_to_come_back_to
from tests.support.processes import BIN, ENVIRONMENT
from tests.support.waiting import DEADLINE_SECONDS

ROOT = Path(__file__).resolve().parents[2]


def blocks() -> list[list[str]]:
    """Give the lines of the shell blocks of "By hand, on one machine"."""
    (section,) = re.findall(r"### By hand, on one machine\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)]


class Terminal:
    """A shell, and somebody who types into it."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict[str, str]) -> None:
        self._process = process
        self._ports = ports
        self.shown = ""

    async def types(self, line: str) -> None:
        """Type a line. Only the ports are others than README's: those may be taken here."""
        assert self._process.stdin is not None
        self._process.stdin.write(re.sub(r"700[12]", lambda port: self._ports[port[0]], line).encode() + b"\n")
        await self._process.stdin.drain()

    async def sees(self, text: str) -> None:
        """Wait until the terminal shows a text that it did not show when this was last called."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while text not in self.shown and (more := await self._process.stdout.read(4096)):
                    self.shown += more.decode(errors="replace")
        except TimeoutError:
            pass
        assert text in self.shown
        self.shown = self.shown.partition(text)[2]


@contextlib.asynccontextmanager
async def terminal(home: Path, ports: dict[str, str]) -> AsyncIterator[Terminal]:
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("DISPATCH_", "XDG_"))}
    process = await asyncio.create_subprocess_exec(
        "bash", "--norc", cwd=ROOT, env=environment | {"HOME": str(home)}, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield Terminal(process, ports)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@pytest.mark.big
async def test_a_newcomer_types_what_readme_says_and_gets_an_answer(tmp_path: Path) -> None:
    assert BIN == ROOT / ".venv" / "bin"  # what README puts in front of PATH
    (tmp_path / "Documents").mkdir()
    (tmp_path / "Documents" / "report.txt").write_text("hello\n")
    ports = {port: str(port_to_come_back_to()) for port in ("7001", "7002")}
    on_host, on_phone = blocks()
    path, add, pairing, relay, login, folder, run, pair = on_host
    async with terminal(tmp_path, ports) as first, terminal(tmp_path, ports) as second:
        for line, shows in (
            (path + "; echo ready", "ready"),
            (add, "Account ada"),
            (pairing, "Listening on"),
            (relay, "Listening on"),
            (login, "is signed in"),
            (folder, "Agents may read"),
            (run, "Running"),
            (pair, "Scan this"),
        ):
            await first.types(line)
            await first.sees(shows)
        path, login, pair, send = on_phone
        await second.types(path)
        await second.types(login)
        await second.sees("Signed in")
        await second.types(pair)
        await second.sees("yes")
        await first.sees("Is it ")
        for one in (first, second):
            await one.types("yes")
        await first.sees("Paired with pocket")
        await second.sees("aired")
        await second.types(send)
        await second.sees("report.txt")


def test_readme_names_every_screen_and_what_each_needs() -> None:
    readme, package = ((ROOT / name).read_text() for name in ("README.md", "clients/web_phone/package.json"))

    for named in ("make phone", "dispatch-phone tui", "status --watch", "status --page", "npm"):
        assert named in readme.partition("## What agents can do")[0], named
    node = json.loads(package)["engines"]["node"].removeprefix(">=")
    assert f"Node {node} or newer" in readme


def test_what_readme_has_made_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    asked = set(re.findall(r"(?:`|^)make ([a-z][a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))

    assert asked <= targets
    assert {"phone", "demo", "test"} <= asked


@pytest.mark.parametrize("config", ["vite.config.js", "vite.worker.config.js"])
def test_make_phone_begins_without_the_bundlers_stopwatch(config: str) -> None:
    """Finding: on a slow machine the first that a newcomer read was a warning of how long the bundler's own parts took."""
    assert "checks: { bundlerTimings: false }" in (ROOT / "clients" / "web_phone" / config).read_text()
