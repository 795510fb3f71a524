"""Starts our programs by forking a process that has imported them already. Called by `processes`.

A program of ours takes about a second of processor time before it does anything, nearly all of it for importing, and the
tests start thousands: on two cores that was a quarter of all their time. A *nursery* is one process for each program (and
worker of the tests), which imports what that program imports and nothing else, starts nothing, and forks: `nursery_process`.
What it forks is a process of its own like any other: session, environment, folder, standard streams, exit code. Whoever needs
it begun by the kernel (a library loaded before it, another interpreter's settings) has it executed: `processes` decides.
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import nursery_process
from tests.support.nursery_process import FDS, HEAD_BYTES


class Child:
    """A process that a nursery forked, with the parts of `asyncio.subprocess.Process` that `processes` uses."""

    def __init__(
        self,
        pid: int,
        stdin: asyncio.StreamWriter,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        told: asyncio.StreamReader,
    ) -> None:
        self.pid = pid
        self.stdin: asyncio.StreamWriter | None = stdin
        self.stdout: asyncio.StreamReader | None = stdout
        self.stderr: asyncio.StreamReader | None = stderr
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._hear(told, stdin))

    async def wait(self) -> int:
        """Wait for its end; gives the exit code, below zero for a signal."""
        return await asyncio.shield(self._ended)

    async def _hear(self, told: asyncio.StreamReader, stdin: asyncio.StreamWriter) -> int:
        self.returncode = int(await told.read() or b"1")  # nothing, when the nursery itself was killed
        stdin.close()
        return self.returncode


class Nursery:
    """The process that forks one program. Made on first use; ends with the process that made it."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        ours, its = socket.socketpair()
        self._socket = ours
        self._one_at_a_time = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-m", nursery_process.__name__, program, str(its.fileno())],
            pass_fds=[its.fileno()],
            env=dict(environment),
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the tests; this one ends when they are gone
        )
        its.close()

    async def fork(self, words: Sequence[str], environment: Mapping[str, str], *, limit: int) -> Child:
        """Start the program with these words and this environment; `limit` is of a line that it says."""
        (in_read, in_write), (out_read, out_write), (err_read, err_write), (told_read, told_write) = (
            os.pipe() for _ in range(FDS)
        )
        request = json.dumps({"argv": list(words), "env": dict(environment), "cwd": str(Path.cwd())}).encode()
        theirs = (in_read, out_write, err_write, told_write)
        try:
            asked = asyncio.ensure_future(asyncio.to_thread(self._ask, request, theirs))
            try:
                pid = await asyncio.shield(asked)
            except asyncio.CancelledError:
                os.killpg(await asked, signal.SIGKILL)  # whoever is cut short leaves no program behind
                for fd in (in_write, out_read, err_read, told_read):
                    os.close(fd)
                raise
        finally:
            for fd in theirs:
                os.close(fd)
        loop = asyncio.get_running_loop()
        readers = []
        for fd in (out_read, err_read, told_read):
            reader = asyncio.StreamReader(limit=limit)
            protocol = asyncio.StreamReaderProtocol(reader)
            await loop.connect_read_pipe(lambda protocol=protocol: protocol, os.fdopen(fd, "rb", 0))  # type: ignore[misc] # bound now
            readers.append(reader)
        transport, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(in_write, "wb", 0))
        return Child(pid, asyncio.StreamWriter(transport, flow, None, loop), *readers)

    def _ask(self, request: bytes, fds: Sequence[int]) -> int:
        head = len(request).to_bytes(HEAD_BYTES, "big")
        with self._one_at_a_time:
            self._socket.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
            self._socket.sendall(request)
            answer = self._socket.recv(HEAD_BYTES)
        if len(answer) != HEAD_BYTES:
            raise AssertionError(f"the nursery ended with {self.process.wait()}")
        return int.from_bytes(answer, "big")
