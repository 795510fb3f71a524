"""A narrow line that all connections share: what one has on it is ahead of what another says next, as in a home's router.

Everything that is sent is on the line at once, however slow it is: the queue of the worst router, which no sender sees. What
bounds it is what the two ends let be under way; `most_waiting` is the most bytes that ever waited for their turn, each way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from types import TracebackType

from dispatch.address import Address

_CHUNK = 65_536
_TURN_BYTES = 4_096


class Line:
    """One direction: pieces in the order in which they came, so many bytes a second."""

    def __init__(self, bytes_per_second: int) -> None:
        self.bytes_per_second = bytes_per_second
        self.waiting = 0
        self.most_waiting = 0
        self.carried = 0
        self._pieces: asyncio.Queue[tuple[asyncio.StreamWriter, bytes]] = asyncio.Queue()

    def put(self, sink: asyncio.StreamWriter, piece: bytes) -> None:
        """Send a piece; an empty one ends its connection."""
        self.waiting += len(piece)
        self.most_waiting = max(self.most_waiting, self.waiting)
        self._pieces.put_nowait((sink, piece))

    async def run(self) -> None:
        """Carry, for ever."""
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        while True:
            sink, piece = await self._pieces.get()
            if not piece:
                sink.transport.abort()
            for at in range(0, len(piece), _TURN_BYTES):
                part = piece[at : at + _TURN_BYTES]
                free_at = max(free_at, loop.time()) + len(part) / self.bytes_per_second
                await asyncio.sleep(max(0.0, free_at - loop.time()))
                self.waiting -= len(part)
                self.carried += len(part)
                if not sink.transport.is_closing():
                    sink.write(part)


class Narrow:
    """A proxy over one narrow line. Use as an async context manager; `address` is what to dial."""

    def __init__(self, target: str, *, bytes_per_second: int) -> None:
        self.target = Address.parse(target)
        self.address = ""
        self.up = Line(bytes_per_second)
        self.down = Line(bytes_per_second)
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Narrow:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        for line in (self.up, self.down):
            self._start(line.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self.target.host, self.target.port)
        self._writers |= {writer, far_writer}
        self._start(self._read(reader, far_writer, self.up))
        self._start(self._read(far_reader, writer, self.down))

    async def _read(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: Line) -> None:
        try:
            with contextlib.suppress(OSError):
                while piece := await source.read(_CHUNK):
                    line.put(sink, piece)
        finally:
            line.put(sink, b"")
