"""Starts the keeper of one program, passes on what the program writes and reads, and ends both whatever happens.

Called by bubblewrap.py and unconfined.py. Knows processes and pipes; what the program may see is in the arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dispatch.runtime.logs import get_logger

from dispatch_host.sandbox.pipes import Input, Tail, more, output_of
from dispatch_host.sandbox.program import Conversation, Ended, Exit, Limits, Output, ProgramEvent

_LOG = get_logger()

KEEPER = (sys.executable, "-P", "-m", "dispatch_host.sandbox.keeper")
_PASSED_ON = (
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
)  # what Python itself may need to start the keeper, which passes on nothing
_CHUNK_BYTES = 16 * 1024
_COMPLAINT_BYTES = 4096
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
    sockets: bool = False
    """As in Program; who has the network has them, too."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Where it keeps files in memory, which count as its own, and the size of each in bytes."""


@dataclass(frozen=True, slots=True)
class _Ends:
    """The descriptors that the program gets: a number each, or None for nothing to read."""

    output: int
    errors: int
    input: int | None = None


def keepers(environment: Mapping[str, str]) -> dict[str, str]:
    """Take from the host's environment what its keeper needs."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


async def keep(start: Start, *, environment: Mapping[str, str]) -> AsyncGenerator[ProgramEvent, None]:
    """Give the program's output and its end. `environment` is the keeper's own, not the program's."""
    async with AsyncExitStack() as stack:
        with ExitStack() as handed:
            reading, writing = _pipe(handed, closes=1)
            output, pipe = await output_of(reading, limit_bytes=_CHUNK_BYTES)
            stack.callback(pipe.close)
            keeper = await stack.enter_async_context(_keeper(start, environment, _Ends(writing, writing)))
        answer = stack.enter_context(_answer(keeper))
        written = 0
        while data := await more(output, pipe, over=answer, most_bytes=_CHUNK_BYTES):
            written += len(data)
            if written > start.limits.output_bytes:
                yield Exit(Ended.TOO_MUCH_OUTPUT)
                return
            yield Output(data)
        yield _exit(await answer)


@asynccontextmanager
async def converse(start: Start, *, environment: Mapping[str, str]) -> AsyncIterator[Conversation]:
    """Hold the program to speak with it. `environment` is the keeper's own, not the program's."""
    async with AsyncExitStack() as stack:
        with ExitStack() as handed:
            reading, writing = _pipe(handed, closes=1)
            output, pipe = await output_of(reading, limit_bytes=_CHUNK_BYTES)
            stack.callback(pipe.close)
            hearing, complaining = _pipe(handed, closes=1)
            tail, errors = await Tail.of(hearing, most_bytes=_COMPLAINT_BYTES)
            stack.callback(errors.close)
            read, told = _pipe(handed, closes=0)
            source = await Input.of(told)
            stack.callback(source.close)
            keeper = await stack.enter_async_context(_keeper(start, environment, _Ends(writing, complaining, read)))
        answer = stack.enter_context(_answer(keeper))
        yield _Held(answer, output, pipe, tail, source, start.limits.output_bytes)


class _Held:
    """A program with its three pipes. As `Conversation`."""

    def __init__(
        self,
        answer: asyncio.Task[bytes],
        output: asyncio.StreamReader,
        pipe: asyncio.BaseTransport,
        tail: Tail,
        source: Input,
        most_bytes: int,
    ) -> None:
        self._answer = answer
        self._output = output
        self._pipe = pipe
        self._tail = tail
        self._source = source
        self._left_bytes = most_bytes
        self._exit: Exit | None = None

    async def write(self, data: bytes) -> None:
        await self._source.write(data)

    def end(self) -> None:
        self._source.end()

    async def read(self) -> bytes:
        if self._exit is not None:
            return b""
        data = await more(self._output, self._pipe, over=self._answer, most_bytes=_CHUNK_BYTES)
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self._exit = Exit(Ended.TOO_MUCH_OUTPUT)
            return b""
        return data

    async def exit(self) -> Exit:
        if self._exit is None:
            self._exit = _exit(await asyncio.shield(self._answer))
        return self._exit

    @property
    def complaint(self) -> bytes:
        return self._tail.data


@contextlib.contextmanager
def _answer(keeper: asyncio.subprocess.Process) -> Iterator[asyncio.Task[bytes]]:
    """Wait for the keeper's one line beside the output: a program may have handed its end of the pipe to somebody else."""
    assert keeper.stdout is not None  # noqa: S101  a pipe
    answer = asyncio.create_task(keeper.stdout.readline())
    try:
        yield answer
    finally:
        answer.cancel()


def _pipe(handed: ExitStack, *, closes: int) -> tuple[int, int]:
    """Make a pipe. The program's end is closed here as soon as it has been handed on: else the pipe would never end."""
    ends = os.pipe()
    handed.callback(os.close, ends[closes])
    return ends


@asynccontextmanager
async def _keeper(
    start: Start, environment: Mapping[str, str], ends: _Ends
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Hold a keeper. At the end it is gone, and all that was started."""
    passed = {ends.output, ends.errors, ends.input} - {None}
    keeper = await asyncio.create_subprocess_exec(
        *KEEPER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # a traceback may hold arguments
        env=environment,
        cwd="/",
        pass_fds=(*start.descriptors, *(end for end in passed if end is not None)),
        start_new_session=True,
        limit=_ANSWER_BYTES,
    )
    try:
        assert keeper.stdin is not None  # noqa: S101  a pipe
        request = {**asdict(start), "folder": str(start.folder), **asdict(ends)}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):  # it died: its end says so
            keeper.stdin.write(json.dumps(request).encode() + b"\n")
            await keeper.stdin.drain()
        yield keeper
    finally:
        await _whatever_comes(_let_go(keeper))


async def _whatever_comes(work: Coroutine[Any, Any, None]) -> None:
    """Do this to its end, however often whoever waits is cancelled meanwhile; the cancellation comes after it."""
    doing, cancelled = asyncio.ensure_future(work), False
    while not doing.done():
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    doing.result()


async def _let_go(keeper: asyncio.subprocess.Process) -> None:
    """Close the keeper's standard input, which has it kill everything, and wait for it."""
    if keeper.stdin is not None:
        keeper.stdin.close()
    try:
        await asyncio.wait_for(keeper.wait(), _LETTING_GO_SECONDS)
    except TimeoutError:
        # Bubblewrap and what it started die with it by the kernel's hand.
        _LOG.warning("keeper does not let go")
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
