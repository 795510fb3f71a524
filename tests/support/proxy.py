"""A TCP proxy between a device and a server that misbehaves on demand: cut, blackhole, latency."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from dispatch.address import Address

_CHUNK = 65_536


class Proxy:
    """Forwards connections to `target`. Use as an async context manager; `address` is what to dial.

    `cut` breaks all connections (new ones work); `freeze` keeps them open but lets nothing through until `thaw`;
    `latency_seconds` delays each chunk, both ways; `refuse` closes new connections at once; `cut_at_chunk` cuts and
    `freeze_at_chunk` freezes once, at the chunk of that number, before it is through; `freeze_at_words` at the first chunk with
    these bytes. `most_chunks` freezes by itself each connection that has carried so many: what is bulky, and nothing else.
    """

    def __init__(self, target: str) -> None:
        self.target = Address.parse(target)
        self._kind = type(target)  # what carries a stream is the target's business
        self.address = ""
        self.latency_seconds = 0.0
        self.refuse = False
        self.connections = 0
        self.chunks = 0
        self.cut_at_chunk = 0
        self.freeze_at_chunk = 0
        self.freeze_at_words = b""
        self.most_chunks = 0
        self.frozen_alone = 0  # connections, by `most_chunks`
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = self._kind(f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()
        await self._server.wait_closed()
        await asyncio.sleep(0)  # those that are let go hear of it

    def cut(self) -> None:
        """Break every connection, as when a cable is pulled and somebody notices."""
        for writer in list(self._writers):
            writer.transport.abort()

    def freeze(self) -> None:
        """Let nothing through, and tell nobody: the half-open connection."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything through again, also what waited."""
        self._flowing.set()

    @property
    def frozen(self) -> bool:
        """Tell whether nothing comes through."""
        return not self._flowing.is_set()

    def _choose(self) -> Address:
        return self.target

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse or self._over.is_set():
            writer.transport.abort()
            return
        self.connections += 1
        self._writers.add(writer)
        target = self._choose()
        connecting = asyncio.create_task(asyncio.open_connection(target.host, target.port))
        self._tasks.add(connecting)  # else one that comes just at the end outlives the proxy
        connecting.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await connecting
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far_writer)
        if self._over.is_set():  # meanwhile
            self.cut()
            return
        carried = itertools.count(1)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink, carried))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, carried: Iterator[int]) -> None:
        try:
            with contextlib.suppress(OSError):
                while chunk := await source.read(_CHUNK):
                    if self.latency_seconds:
                        await asyncio.sleep(self.latency_seconds)
                    await self._flowing.wait()
                    self.chunks += 1
                    if self.chunks == self.cut_at_chunk:
                        self.cut()
                    if self.chunks == self.freeze_at_chunk or (self.freeze_at_words and self.freeze_at_words in chunk):
                        self.freeze_at_words = b""
                        self.freeze()
                        await self._flowing.wait()
                    if next(carried) == self.most_chunks:
                        self.frozen_alone += 1
                        await asyncio.Event().wait()
                    sink.write(chunk)
                    await sink.drain()
        finally:
            sink.transport.abort()
            self._writers.discard(sink)


class Rotation(Proxy):
    """Gives each new connection to the next of several servers, in turn, as a load balancer does; whoever met none comes again."""

    def __init__(self, *targets: str) -> None:
        super().__init__(targets[0])
        self._targets = itertools.cycle([Address.parse(target) for target in targets])

    def _choose(self) -> Address:
        return next(self._targets)
