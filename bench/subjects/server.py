"""Starts a server that somebody else made, and ends it: a free port, a folder of its own, its last words when it does not begin."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.subjects.subject import Lost, Missing
from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS

_BESIDE_THE_PATH = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin"))
"""Where Debian puts servers, which is not on everybody's path."""
_LAST_WORDS_BYTES = 500
_STOPPED_WITHIN_SECONDS = 10.0


def program(name: str, *, package: str) -> str:
    """Find a program. Raises Missing, which names the package that has it."""
    found = shutil.which(name) or shutil.which(name, path=_BESIDE_THE_PATH)
    if found is None:
        raise Missing(f"{name} is not installed (package {package})")
    return found


class Server:
    """One process that listens on a port of loopback. Its folder is gone when it has ended."""

    def __init__(self, prefix: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{prefix}-")
        self.folder = Path(self._folder.name)
        self.host, _, port = address_to_come_back_to().rpartition(":")
        self.port = int(port)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pids(self) -> list[int]:
        """Give its process; none when it does not run."""
        return [] if self._process is None else [self._process.pid]

    async def start(self, words: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        """Run it, and wait until it listens. Raises Lost with its last words."""
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not await self._listens():  # noqa: ASYNC110 -- a program of somebody else announces nothing
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Lost(f"it does not begin: {self._said()}") from None

    async def stop(self) -> None:
        """End it, and its folder."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(_STOPPED_WITHIN_SECONDS):
                    await process.wait()
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        self._folder.cleanup()

    async def _listens(self) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise Lost(f"it ended: {self._said()}")
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    def _said(self) -> str:
        log = (self.folder / "log").read_bytes()[-_LAST_WORDS_BYTES:]
        return " / ".join(log.decode(errors="replace").split("\n")).strip(" /")


class OfOneServer:
    """A subject that is one server: what those have in common. Subclasses say how it starts, and link ends to it."""

    name: str

    def __init__(self) -> None:
        self._server = Server(self.name)

    @property
    def pids(self) -> list[int]:
        """Give the server's process; none when it does not run."""
        return self._server.pids

    async def stop(self) -> None:
        """End the server, and its folder."""
        await self._server.stop()
