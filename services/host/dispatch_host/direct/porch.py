"""Stands before the door: takes connections from the local network, few at once and not too often; each has a time to show itself.

gRPC sets no bound to connections, and each costs a descriptor that the thread by the relay may need. Bytes pass through
unread. A connection that the door has refused, or not vouched for in time, is cut. docs/direct.md "Strangers".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field

from dispatch.address import Address
from dispatch.clock import Clock

from dispatch_host.allowance import SharedAllowance

_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much strangers may cost."""

    connections: int = 32
    connections_of_one: int = 8
    """Of one address."""
    show_within_seconds: float = 10.0
    most: int = 60
    """Connections taken within `within_seconds`."""
    most_of_one: int = 20
    within_seconds: float = 10.0
    linger_seconds: float = 1.0
    """So long a connection stays that the door has refused: what it was told is to arrive."""


@dataclass(slots=True)
class _Caller:
    """A connection, as the door may speak of it."""

    who: str
    vouched: asyncio.Event = field(default_factory=asyncio.Event)
    refused: asyncio.Event = field(default_factory=asyncio.Event)


class Porch:
    """Forwards what comes to the addresses it listens on. Use as an async context manager."""

    def __init__(self, bounds: Bounds, *, door: Address, clock: Clock) -> None:
        # Fixed after __init__.
        self._bounds = bounds
        self._door = door
        self._clock = clock
        # Touched between two awaits only.
        self._servers: dict[Address, asyncio.Server] = {}  # by where it listens
        self._known: dict[int, _Caller] = {}  # by our port towards the door
        self._of: Counter[str] = Counter()
        self._rate = SharedAllowance(
            most=bounds.most, most_of_one=bounds.most_of_one, window_ms=round(bounds.within_seconds * 1000)
        )
        self._held: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, at: Address) -> Address:
        """Listen; gives the address really bound. Raises OSError."""
        server = await asyncio.start_server(self._take, at.host, at.port, backlog=self._bounds.connections)
        bound = Address(host=at.host, port=server.sockets[0].getsockname()[1])
        self._servers[bound] = server
        return bound

    def leave(self, bound: Address) -> None:
        """Listen there no more. Who came that way may stay."""
        self._servers.pop(bound).close()

    async def __aenter__(self) -> Porch:
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()
        held = dict(self._held)
        for task, writer in held.items():
            task.cancel()
            writer.transport.abort()  # also of one whose task has not begun
        await asyncio.gather(*held, return_exceptions=True)

    def who(self, port: int) -> str:
        """Give the address behind a connection that the door has from here; empty for one that did not come this way."""
        known = self._known.get(port)
        return known.who if known else ""

    def vouch(self, port: int) -> None:
        """Let a connection stay: it has shown whose it is."""
        if (known := self._known.get(port)) is not None:
            known.vouched.set()

    def refuse(self, port: int) -> None:
        """Cut a connection that was refused, when it has had time to hear that: it does not try again and again on the same one."""
        if (known := self._known.get(port)) is not None:
            known.refused.set()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = str(writer.get_extra_info("peername", ("",))[0])
        crowded = len(self._held) >= self._bounds.connections or self._of[who] >= self._bounds.connections_of_one
        if crowded or not self._rate.take(who, now_ms=self._clock.steady_ms()):
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
        caller = self._known[port] = _Caller(who)
        works = [
            asyncio.create_task(_pump(reader, door_writer)),
            asyncio.create_task(_pump(door_reader, writer)),
            asyncio.create_task(self._shown(caller.vouched)),
            asyncio.create_task(self._refused(caller.refused)),
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

    async def _refused(self, refused: asyncio.Event) -> None:
        """Return some time after a connection was refused."""
        await refused.wait()
        await asyncio.sleep(self._bounds.linger_seconds)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
