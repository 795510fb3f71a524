"""Stands before the door: takes connections from the local network, few at once, and lets each show itself within a time.

gRPC sets no bound to connections, and each costs a descriptor that the thread by the relay may need. Bytes pass through
unread. A connection that the door has not vouched for in time is cut. docs/direct.md "Strangers".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass

from dispatch.address import Address

_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much strangers may cost."""

    connections: int = 32
    connections_of_one: int = 8
    """Of one address."""
    show_within_seconds: float = 10.0


class Porch:
    """Forwards what comes to the addresses it listens on. Use as an async context manager."""

    def __init__(self, bounds: Bounds, *, door: Address) -> None:
        self._bounds = bounds
        self._door = door
        self._servers: list[asyncio.Server] = []
        self._known: dict[int, tuple[str, asyncio.Event]] = {}  # by our port towards the door: who, and vouched for
        self._of: Counter[str] = Counter()
        self._held: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, at: Address) -> Address:
        """Listen; gives the address really bound. Raises OSError."""
        server = await asyncio.start_server(self._take, at.host, at.port, backlog=self._bounds.connections)
        self._servers.append(server)
        return Address(host=at.host, port=server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Porch:
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        held = dict(self._held)
        for task, writer in held.items():
            task.cancel()
            writer.transport.abort()  # also of one whose task has not begun
        await asyncio.gather(*held, return_exceptions=True)

    def who(self, port: int) -> str:
        """Give the address behind a connection that the door has from here; empty for one that did not come this way."""
        known = self._known.get(port)
        return known[0] if known else ""

    def vouch(self, port: int) -> None:
        """Let a connection stay: it has shown whose it is."""
        if (known := self._known.get(port)) is not None:
            known[1].set()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = str(writer.get_extra_info("peername", ("",))[0])
        if len(self._held) >= self._bounds.connections or self._of[who] >= self._bounds.connections_of_one:
            writer.transport.abort()
            return
        self._of[who] += 1
        task = asyncio.create_task(self._forward(who, reader, writer))
        self._held[task] = writer
        task.add_done_callback(lambda done: self._let_go(done, who))

    def _let_go(self, task: asyncio.Task[None], who: str) -> None:
        self._held.pop(task).transport.abort()
        self._of[who] -= 1
        if not self._of[who]:
            del self._of[who]

    async def _forward(self, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            door_reader, door_writer = await asyncio.open_connection(self._door.host, self._door.port)
        except OSError:
            return
        port = door_writer.get_extra_info("sockname")[1]
        vouched = asyncio.Event()
        self._known[port] = who, vouched
        works = [
            asyncio.create_task(_pump(reader, door_writer)),
            asyncio.create_task(_pump(door_reader, writer)),
            asyncio.create_task(self._shown(vouched)),
        ]
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            del self._known[port]
            door_writer.transport.abort()

    async def _shown(self, vouched: asyncio.Event) -> None:
        """Return when a connection has not been vouched for in time; never for one that was."""
        try:
            async with asyncio.timeout(self._bounds.show_within_seconds):
                await vouched.wait()
        except TimeoutError:
            return
        await asyncio.Event().wait()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
