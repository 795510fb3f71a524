"""The processes in which tasks are done: one for each request, spoken to over pipes, and ended whatever happens.

Knows processes and the wire, nothing of requests. Called by driver.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from dispatch.runtime.logs import get_logger

from dispatch_host.agents.agent import AgentEvent
from dispatch_host.agents.builtin import wire
from dispatch_host.agents.builtin.request import Outcome, Request

_LOG = get_logger()

COMMAND = (sys.executable, "-P", "-m", "dispatch_host.agents.builtin.worker")
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
_ALWAYS = {"LANG": "C.UTF-8", "PYTHONUTF8": "1"}
_LONG_BYTES = 256 * 1024


class Workers:
    """Starts a worker for each request."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], limit_seconds: float) -> None:
        """Of `environment` a worker gets what Python needs to start, and nothing else."""
        self._command = tuple(command)
        self._environment = {name: environment[name] for name in _PASSED_ON if name in environment} | _ALWAYS
        self._limit_seconds = limit_seconds

    async def work(self, request: Request) -> AsyncGenerator[AgentEvent | Outcome, None]:
        """Give the events of one worker; without an Outcome at the end it failed."""
        async with self._worker() as process:
            assert process.stdin is not None  # noqa: S101  both are pipes
            assert process.stdout is not None  # noqa: S101
            deadline = asyncio.get_running_loop().time() + self._limit_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    _write(process.stdin, wire.encode_request(request))
                    await process.stdin.drain()
                while True:
                    async with asyncio.timeout_at(deadline):
                        line = await process.stdout.readline()
                    said = await _decoded(line) if line else None
                    if said is None or isinstance(said, wire.Crashed):
                        where = {"kind": said.kind, "where": said.where} if said else {}
                        _LOG.warning("worker failed", cause="crashed" if said else "died", **where)
                        return
                    yield said
                    if isinstance(said, Outcome):
                        return
            except (wire.OutOfBounds, ValueError):  # ValueError: a line longer than LINE_BYTES
                _LOG.warning("worker failed", cause="out of bounds")
            except TimeoutError:
                _LOG.warning("worker failed", cause="out of time")
            except (BrokenPipeError, ConnectionResetError):
                _LOG.warning("worker failed", cause="died")

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Hold a worker in a process group of its own, and leave nothing of it."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may hold contents; where it crashed comes over the wire
            env=self._environment,
            cwd="/",
            start_new_session=True,
            limit=wire.LINE_BYTES,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()


async def _decoded(line: bytes) -> AgentEvent | Outcome | wire.Crashed:
    """Read what the worker wrote; a long plan aside, for the host has others to serve."""
    return wire.decode(line) if len(line) < _LONG_BYTES else await asyncio.to_thread(wire.decode, line)


def _write(pipe: asyncio.StreamWriter, line: bytes) -> None:
    """Write to a worker. Raises BrokenPipeError when it has died before it was asked."""
    try:
        pipe.write(line)
    except RuntimeError as closed:  # what uvloop raises; asyncio's own loop says it when the pipe is drained
        raise BrokenPipeError from closed
