"""Starts the browser's worker in a sandbox of its own, and ends all of it whatever happens. Called by session.py.

Without a network and without a folder: what it has are two sockets to the host. docs/browser.md, where it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dispatch

import dispatch_host
from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.browser import wire
from dispatch_host.sandbox.arguments import SYSTEM, arguments
from dispatch_host.sandbox.keeping import Start, keep, keepers
from dispatch_host.sandbox.program import Exit, Limits, Output, Program
from dispatch_host.sandbox.view import opened
from dispatch_host.scope.folder import Folder

# As the sandbox looks for its own program: a folder of the person's could have another one in it.
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_CHROMIUM = ("chromium", "chromium-browser")
_SETTINGS = ("/etc/chromium.d", "/etc/chromium")  # Debian's start script reads them
_START_SECONDS = 60.0
_SAID_BYTES = 500
LIMITS = Limits(seconds=3600.0, open_files=4096, processes=1024, output_bytes=1024**2)
_BEGIN = "import sys; sys.path[:0] = sys.argv.pop().split(':'); from dispatch_host.browser.worker import main; main()"


class NoBrowser(Exception):
    """Pages can't be opened on this computer. `advice` is what its owner can do; `reason` tells a sandbox that is missing from a
    browser."""

    def __init__(self, why: str, advice: str = "", *, reason: NotDoneReason = NotDoneReason.TOOL_UNAVAILABLE) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that runs: its lines, and the files that it hands over. `listening` is the way out that it waits at."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    files: socket.socket
    listening: socket.socket

    async def file(self) -> int:
        """Take the next descriptor that it hands over. Raises OSError, wire.OutOfBounds."""
        return await _descriptor(self.files)


def installed() -> str:
    """Give the path of Chromium. Raises NoBrowser where it is missing, or Playwright is."""
    if importlib.util.find_spec("playwright") is None or importlib.util.find_spec("ifaddr") is None:
        raise NoBrowser(
            "Playwright is not installed.", "Install the host's extra: pip install 'dispatch-host[browser]'."
        )
    for name in _CHROMIUM:
        if (found := shutil.which(name, path=_SYSTEM_PATH)) is not None:
            return found
    raise NoBrowser("Chromium is not installed.", "Install it (the package is called chromium).")


@asynccontextmanager
async def chamber(
    executable: str, *, home: Path, keep_out: Sequence[Path], environment: Mapping[str, str]
) -> AsyncIterator[Worker]:
    """Hold a worker. `executable` is bubblewrap's path; the rest is Bubblewrap's. Raises NoBrowser."""
    chromium = installed()
    with contextlib.ExitStack() as stack:
        near, far = (stack.enter_context(one) for one in socket.socketpair())
        files, far_files = (stack.enter_context(one) for one in socket.socketpair())
        near.setblocking(False)
        files.setblocking(False)
        code = _code()
        view = stack.enter_context(
            opened([Folder(path) for path in (*code, *map(Path, _SETTINGS))], keep_out=keep_out, home=home)
        )
        inside = [far.fileno(), far_files.fileno()]
        argv = (
            str(_python()),
            "-I",
            "-c",
            _BEGIN,
            *map(str, inside),
            chromium,
            ":".join(map(str, code)),
        )
        confined = arguments(view, Program(argv, Path("/")), network=False, limits=LIMITS, nested=True)
        start = Start(
            argv=(executable, *confined),
            environment={},
            folder=Path("/"),
            confined=True,
            limits=LIMITS,
            descriptors=[*(bound.descriptor for bound in view.bound), *inside],
            sockets=True,  # it sees no folder of the person's: what it finds of them is its own
        )
        said: list[bytes] = []
        keeping = asyncio.create_task(_keep(start, keepers(environment), said))
        # What is left of the worker's own ends, so that whoever reads ours hears of its end.
        keeping.add_done_callback(partial(_close, far, far_files))
        try:
            worker = await _met(near, files, keeping, said)
            stack.callback(worker.listening.close)
            try:
                yield worker
            finally:
                worker.writer.close()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


async def _met(near: socket.socket, files: socket.socket, keeping: asyncio.Task[None], said: list[bytes]) -> Worker:
    """Wait until the worker has handed out its way out. Raises NoBrowser."""
    reader, writer = await asyncio.open_unix_connection(sock=near, limit=wire.LINE_BYTES)
    handing = asyncio.create_task(_descriptor(files))
    try:
        await asyncio.wait([handing, keeping], timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if handing.done() and handing.exception() is None:
            return Worker(reader, writer, files, socket.socket(fileno=handing.result()))
    finally:
        handing.cancel()
        await asyncio.gather(handing, return_exceptions=True)
    writer.close()
    words = b"".join(said).decode(errors="replace").strip().splitlines()
    raise NoBrowser(f"Chromium can't be started in the sandbox: {words[-1] if words else 'it does not answer.'}")


async def _keep(start: Start, environment: Mapping[str, str], said: list[bytes]) -> None:
    """Keep the worker until this is cancelled, or it ends. What it says beside its lines is for nobody but a failed start."""
    async with contextlib.aclosing(keep(start, environment=environment)) as events:
        async for event in events:
            match event:
                case Output(data):
                    said[:] = [b"".join([*said, data])[-_SAID_BYTES:]]
                case Exit():
                    return


async def _descriptor(files: socket.socket) -> int:
    """Receive one descriptor. Raises OSError when there comes none, wire.OutOfBounds for more than one."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(files.fileno(), _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(files.fileno())
    data, found, flags, _ = socket.recv_fds(files, 1, 4)
    if len(found) != 1 or flags & socket.MSG_CTRUNC:
        for descriptor in found:
            os.close(descriptor)
        if not data:
            raise ConnectionResetError
        raise wire.OutOfBounds
    os.set_inheritable(found[0], False)
    return found[0]


def _close(near: socket.socket, other: socket.socket, _: object) -> None:
    near.close()
    other.close()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _python() -> Path:
    """Give the interpreter itself: the links to it that an environment has lead nowhere in the sandbox."""
    return Path(sys.executable).resolve()


def _code() -> list[Path]:
    """List where Python, Playwright and this package are, as far as the sandbox does not show that anyway."""
    spec = importlib.util.find_spec("playwright")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018  installed() has looked
    found = [Path(spec.origin).parents[1], *(Path(str(one.__file__)).parents[1] for one in (dispatch_host, dispatch))]
    found = [path.resolve() for path in (*found, Path(sys.base_prefix))]
    return [path for path in dict.fromkeys(found) if not any(path.is_relative_to(one) for one in SYSTEM)]
