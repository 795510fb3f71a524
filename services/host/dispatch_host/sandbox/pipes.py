"""The host's ends of a program's pipes: what it writes, the end of what it complains, and what it is told.

Called by keeping.py alone. Public asyncio only, so that uvloop has it, too.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import termios
from collections.abc import Callable
from typing import cast

_TURNS = 3


async def output_of(descriptor: int, *, limit_bytes: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    """Read what a program writes."""
    reader = asyncio.StreamReader(limit=limit_bytes)
    transport, _ = await _connect_read(lambda: asyncio.StreamReaderProtocol(reader), descriptor)
    return reader, transport


async def more(
    output: asyncio.StreamReader, pipe: asyncio.BaseTransport, *, over: asyncio.Future[bytes], most_bytes: int
) -> bytes:
    """Read more of what a program writes; nothing at its end, and when it is `over` and all that it wrote has been read.

    The pipe alone does not tell: it stays open for whoever the program has handed its end to.
    """
    reading = asyncio.ensure_future(output.read(most_bytes))
    try:
        await asyncio.wait({reading, over}, return_when=asyncio.FIRST_COMPLETED)
        while not reading.done():
            if _left(pipe):
                await asyncio.wait({reading})
            # What has just been taken from the pipe reaches the reader two turns of the loop later.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if not reading.done() and not _left(pipe):
                return b""
        return reading.result()
    finally:
        reading.cancel()


def _left(pipe: asyncio.BaseTransport) -> bool:
    """Tell whether anything is in a pipe that has not been read."""
    if pipe.is_closing():
        return False
    size = array.array("i", [0])
    fcntl.ioctl(pipe.get_extra_info("pipe").fileno(), termios.FIONREAD, size)
    return size[0] > 0


async def _connect_read(
    protocol: Callable[[], asyncio.BaseProtocol], descriptor: int
) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
    return await asyncio.get_running_loop().connect_read_pipe(protocol, os.fdopen(descriptor, "rb", buffering=0))


class Tail(asyncio.Protocol):
    """Takes whatever comes and keeps the end of it."""

    def __init__(self, most_bytes: int) -> None:
        self.data = b""
        self._most_bytes = most_bytes

    def data_received(self, data: bytes) -> None:
        self.data = (self.data + data)[-self._most_bytes :]

    @classmethod
    async def of(cls, descriptor: int, *, most_bytes: int) -> tuple[Tail, asyncio.BaseTransport]:
        """Begin to take what a program writes to a pipe."""
        tail = cls(most_bytes)
        transport, _ = await _connect_read(lambda: tail, descriptor)
        return tail, transport


class Input(asyncio.BaseProtocol):
    """Writes to a program, no faster than it reads."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._writable = asyncio.Event()
        self._gone = False

    @classmethod
    async def of(cls, descriptor: int) -> Input:
        """Take the writing end of a pipe."""
        pipe = os.fdopen(descriptor, "wb", buffering=0)
        _, protocol = await asyncio.get_running_loop().connect_write_pipe(cls, pipe)
        return protocol

    async def write(self, data: bytes) -> None:
        """Write all of it, as soon as there is room. Raises BrokenPipeError when nobody reads any more."""
        await self._writable.wait()
        if self._gone or self._transport is None:
            raise BrokenPipeError
        self._transport.write(data)
        await self._writable.wait()

    def end(self) -> None:
        """End it behind what was written."""
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """End it at once; what nobody has read is dropped."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
