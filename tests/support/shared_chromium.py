"""One Chromium for all tests of a process. Used by the suites that drive the browser of Debian: `tests/browser`, `tests/web_phone`.

To start Chromium takes a second and a half of processor time, several times what most tests have it do. playwright's own server
starts it once, as `launch` would, and gives each test that connects contexts of its own, which end with the connection. A test
that wants other flags, another environment or a profile on the disk launches its own.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable  # there is no public way to its program
from playwright.async_api import Browser, BrowserType, Download, Error, async_playwright

from tests.support.waiting import DEADLINE_SECONDS


class SharedChromium:
    """Starts when a test first asks, and anew when it has died; `end` ends it."""

    def __init__(self, folder: Path, flags: Sequence[str]) -> None:
        self._folder = folder
        self._flags = list(flags)
        self._server: subprocess.Popen[str] | None = None
        self._address = ""

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Browser]:
        """Give the browser, as whoever launched it would have it. Downloads have no path there; `save_as` brings them."""
        async with async_playwright() as playwright:
            browser = await self._connect(playwright.chromium)
            try:
                yield browser
            finally:
                await browser.close()  # the connection, and what it opened

    async def _connect(self, chromium: BrowserType) -> Browser:
        if self._server is not None and self._server.poll() is None:
            with contextlib.suppress(Error):  # it died a moment ago, and its server has not ended yet
                browser = await chromium.connect(self._address)
                if browser.is_connected():
                    return browser
        self.end()
        self._start()
        return await chromium.connect(self._address)

    def _start(self) -> None:
        options = self._folder / "options.json"
        options.write_text(json.dumps({"executablePath": str(chromium_program()), "args": self._flags}))
        node, script = compute_driver_executable()
        log = self._folder / "server.log"
        with log.open("w") as errors:
            self._server = subprocess.Popen(
                # It ends with the tests, even if they are killed.
                [
                    *("setpriv", "--pdeathsig", "TERM", node, script),
                    *("launch-server", "--browser", "chromium", "--config", str(options)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        assert self._server.stdout is not None
        self._address = self._server.stdout.readline().strip()
        if not self._address.startswith("ws://"):
            pytest.fail(f"chromium did not start: {self._address} {log.read_text()}")

    def processes(self) -> list[int]:
        """List the ids of the browser's own processes; nothing while none runs."""
        if self._server is None:
            return []
        of_server = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children")
        return [int(process) for process in of_server.read_text().split()]

    def end(self) -> None:
        """End it, if it runs."""
        if self._server is None:
            return
        self._server.terminate()
        with self._server as server:  # closes its output
            self._server = None
            try:
                server.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


async def downloaded(download: Download, folder: Path) -> bytes:
    """Read a download once it is whole, however the browser is reached."""
    got = folder / "downloaded"
    await download.save_as(got)
    return got.read_bytes()


def chromium_program() -> str:
    """Find Debian's Chromium; the test fails where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install chromium")
    return program
