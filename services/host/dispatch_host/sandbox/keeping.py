"""Starts the keeper of one program, passes on what the program writes, and ends both whatever happens.

Called by bubblewrap.py and unconfined.py. Knows processes and pipes; what the program may see is in the arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dispatch_host.sandbox.program import Ended, Exit, Limits, Output, ProgramEvent

log = logging.getLogger(__name__)

KEEPER = (sys.executable, "-P", "-m", "dispatch_host.sandbox.keeper")
_PASSED_ON = (
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
)  # what Python itself may need to start the keeper, which passes on nothing
_CHUNK_BYTES = 16 * 1024
_ANSWER_BYTES = 4096
_LETTING_GO_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the keeper is to start."""

    argv: Sequence[str] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    folder: Path = field(repr=False)
    confined: bool
    limits: Limits
    descriptors: Sequence[int] = ()


def keepers(environment: Mapping[str, str]) -> dict[str, str]:
    """Take from the host's environment what its keeper needs."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


async def keep(start: Start, *, environment: Mapping[str, str]) -> AsyncGenerator[ProgramEvent, None]:
    """Give the program's output and its end. `environment` is the keeper's own, not the program's."""
    async with _keeper(start, environment) as (keeper, output):
        written = 0
        while data := await output.read(_CHUNK_BYTES):
            written += len(data)
            if written > start.limits.output_bytes:
                yield Exit(Ended.TOO_MUCH_OUTPUT)
                return
            yield Output(data)
        assert keeper.stdout is not None  # noqa: S101  a pipe
        yield _exit(await keeper.stdout.readline())


@asynccontextmanager
async def _keeper(
    start: Start, environment: Mapping[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """Hold a keeper and the pipe that the program writes to. At the end both are gone, and all that was started."""
    reading, writing = os.pipe()
    try:
        output = asyncio.StreamReader(limit=_CHUNK_BYTES)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb", buffering=0)
        )
        keeper = await asyncio.create_subprocess_exec(
            *KEEPER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may hold arguments
            env=environment,
            cwd="/",
            pass_fds=(*start.descriptors, writing),
            start_new_session=True,
            limit=_ANSWER_BYTES,
        )
    finally:
        os.close(writing)
    try:
        assert keeper.stdin is not None  # noqa: S101  a pipe
        request = {**asdict(start), "folder": str(start.folder), "output": writing}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):  # it died: its end says so
            keeper.stdin.write(json.dumps(request).encode() + b"\n")
            await keeper.stdin.drain()
        yield keeper, output
    finally:
        await asyncio.shield(_let_go(keeper))
        pipe.close()


async def _let_go(keeper: asyncio.subprocess.Process) -> None:
    """Close the keeper's standard input, which has it kill everything, and wait for it."""
    if keeper.stdin is not None:
        keeper.stdin.close()
    try:
        await asyncio.wait_for(keeper.wait(), _LETTING_GO_SECONDS)
    except TimeoutError:
        # Bubblewrap and what it started die with it by the kernel's hand.
        log.warning("keeper does not let go")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(keeper.pid, signal.SIGKILL)
        await keeper.wait()


def _exit(answer: bytes) -> Exit:
    """Read the keeper's one line. One that died before it says nothing."""
    try:
        said = json.loads(answer)
        ended, code = Ended(said["ended"]), said["code"]
    except (ValueError, KeyError, TypeError):
        return Exit(Ended.LOST)
    if ended is Ended.EXITED and code is None:
        return Exit(Ended.NOT_STARTED)
    return Exit(ended, code)
