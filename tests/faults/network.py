"""The scripted network: a proxy that knows whose connection it carries and which frames pass, and misbehaves on demand.

What it does to a part is a `Weather`, looked at for each piece that passes, so that it changes while connections are open. A
`Gate` holds one direction just before a frame of a kind, which is how the laboratory stops a task in the middle of a step.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from dispatch.address import Address

from tests.faults.wire import Frame, Piece, Splitter

_CHUNK = 65_536
_ONCE_OPEN = frozenset({"hello", "proof", "open", "challenge", "opened", "bye", "draining", "data"})
"""Said once a stream by both, or once a chunk; twice would be a breach of the protocol, not a fault of the network."""


class Part(StrEnum):
    """The four kinds of process, of a connection who dialled; and what lies between two of them."""

    PHONE = "phone"
    RELAY = "relay"
    PAIRING = "pairing"
    HOST = "host"
    LAN = "lan"
    """The network that phone and host are on, where they speak directly."""


class Direction(StrEnum):
    """A direction, seen from who dialled."""

    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Weather:
    """How the connections of one part fare. Fields may be changed at any time; `Network.changed` tells of it."""

    held: frozenset[Direction] = frozenset()
    """Directions in which nothing comes through, nor the end of a connection: it waits."""
    refused: bool = False
    """New connections are reset at once."""
    delay_seconds: float = 0.0
    bytes_per_second: int = 0
    twice: bool = False
    """Each message of an open stream comes twice."""


@dataclass(slots=True)
class Gate:
    """Holds one direction of a part's connections before the first frame that is wanted, until it is opened."""

    part: Part
    direction: Direction
    wants: Callable[[Frame], bool]
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class _Connection:
    """Two directions between who dialled and the server."""

    def __init__(self, part: Part, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.part = part
        self.near, self.far = near, far
        self.held: set[Direction] = set()  # this one alone; `Weather.held` is for all of a part
        self.over = asyncio.Event()

    def abort(self) -> None:
        self.over.set()
        _reset(self.near)
        _reset(self.far)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection so that the other side sees it broken, not ended."""
    if not writer.transport.is_closing():
        _socket_of(writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


def _socket_of(writer: asyncio.StreamWriter) -> socket.socket:
    """Give the socket; asyncio's stand-in for it has what is needed here."""
    found: socket.socket = writer.get_extra_info("socket")
    return found


class Network:
    """A proxy in front of one server. Use as an async context manager; `address` stays, `target` may move.

    `who` names the part of a process that has the other end of a connection, by the port it dials from.
    """

    def __init__(self, who: Callable[[int, int], Part]) -> None:
        self.address = ""
        self.target = ""
        self.gates: list[Gate] = []
        self._who = who
        self._weather = {part: Weather() for part in Part}
        self._changed = asyncio.Event()
        self._passed: Counter[str] = Counter()
        self._dialled: list[tuple[float, Part]] = []
        self._news = asyncio.Event()
        self._server: asyncio.Server
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.held = 0
        """How many pieces, and ends of connections, wait for other weather now."""

    async def __aenter__(self) -> Network:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()

    # ---- What a fault asks.

    def change(self, parts: frozenset[Part], weather: Callable[[], Weather]) -> None:
        """Let other weather begin for these parts."""
        for part in parts:
            self._weather[part] = weather()
        self._tell()

    def clear(self) -> None:
        """Let everything through again, also what waited; gates are opened and forgotten."""
        self.forget_gates()
        for connection in self._connections:
            connection.held.clear()
        self.change(frozenset(Part), Weather)

    def cut(self, parts: frozenset[Part]) -> None:
        """Break the connections of these parts, both ends at once; what was on its way is lost."""
        for connection in [one for one in self._connections if one.part in parts]:
            connection.abort()

    def mute_now(self, parts: frozenset[Part]) -> None:
        """Hold what these parts say on the connections that they have; new ones work."""
        for connection in [one for one in self._connections if one.part in parts]:
            connection.held.add(Direction.UP)
        self._tell()

    def strand(self, parts: frozenset[Part]) -> None:
        """Break the connections whose words are held, for those alone who said them: they dial anew at once.

        The server keeps the old ones, on which `clear` lets it hear the old words: behind the new ones.
        """
        for connection in [one for one in self._connections if one.part in parts and one.held]:
            _reset(connection.near)

    def gate(self, part: Part, direction: Direction, wants: Callable[[Frame], bool]) -> Gate:
        """Put up a gate."""
        gate = Gate(part, direction, wants)
        self.gates.append(gate)
        return gate

    def forget_gates(self) -> None:
        """Open all gates for good."""
        for gate in self.gates:
            gate.opened.set()
            gate.reached.set()
        self.gates.clear()

    # ---- What there is to see.

    def dialled(self, part: Part, *, since: float) -> float | None:
        """Give when a part first dialled since a time of the steady clock, also in vain; None when it has not."""
        return next((at for at, who in self._dialled if who is part and at >= since), None)

    def count(self, kind: str) -> int:
        """Count the frames of a kind that have passed."""
        return self._passed[kind]

    async def wait_for(self, kind: str, *, more_than: int, within_seconds: float) -> bool:
        """Wait until more frames of a kind have passed; False when none came in time."""
        try:
            async with asyncio.timeout(within_seconds):
                await self.passed(kind, more_than=more_than)
        except TimeoutError:
            return False
        return True

    async def passed(self, kind: str, *, more_than: int) -> None:
        """Wait until more frames of a kind have passed."""
        while self._passed[kind] <= more_than:
            await self._news.wait()

    # ---- Carrying.

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        part = self._who(writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1])
        self._dialled.append((time.monotonic(), part))
        if self._weather[part].refused or not self.target:
            _reset(writer)
            return
        target = Address.parse(self.target)
        try:
            far_reader, far_writer = await asyncio.open_connection(target.host, target.port)
        except OSError:
            _reset(writer)
            return
        connection = _Connection(part, writer, far_writer)
        self._connections.add(connection)
        flows = [(reader, far_writer, Direction.UP), (far_reader, writer, Direction.DOWN)]
        tasks = [asyncio.create_task(self._flow(connection, *flow)) for flow in flows]
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks)
        connection.abort()
        self._connections.discard(connection)

    async def _flow(
        self, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        splitter = Splitter(up=direction is Direction.UP)
        with contextlib.suppress(OSError):
            try:
                while chunk := await source.read(_CHUNK):
                    for piece in splitter.feed(chunk):
                        await self._carry(connection, piece, sink, direction)
                sink.write(splitter.rest())
            finally:
                # Also the end of a connection takes its time, and nobody sees it through a held direction.
                await self._let_through(connection, direction)
                sink.close()

    async def _carry(
        self, connection: _Connection, piece: Piece, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        for frame in piece.frames:
            await self._stop_at_gates(connection, frame, direction)
        weather = self._weather[connection.part]
        if weather.delay_seconds:
            await asyncio.sleep(weather.delay_seconds)
        if weather.bytes_per_second:
            await asyncio.sleep(len(piece.data) / weather.bytes_per_second)
        await self._let_through(connection, direction)
        sink.write(piece.data)
        kinds = {frame.WhichOneof("frame") or "" for frame in piece.frames}
        if kinds:
            self._passed.update(kinds)
            self._news.set()
            self._news = asyncio.Event()
        if self._weather[connection.part].twice and piece.whole and not kinds & _ONCE_OPEN:
            sink.write(piece.data)
        await sink.drain()

    async def _let_through(self, connection: _Connection, direction: Direction) -> None:
        def held() -> bool:
            return direction in connection.held or direction in self._weather[connection.part].held

        while not connection.over.is_set() and held():
            self.held += 1
            try:
                await self._changed.wait()
            finally:
                self.held -= 1

    async def _stop_at_gates(self, connection: _Connection, frame: Frame, direction: Direction) -> None:
        for gate in self.gates:
            fits = gate.part is connection.part and gate.direction is direction and not gate.reached.is_set()
            if fits and gate.wants(frame):
                gate.reached.set()
                await gate.opened.wait()


def dialled_by(pid: int | None, *, from_port: int, to_port: int) -> bool:
    """Tell whether a process of this computer holds the end of a connection that dialled from this port."""
    if pid is None:
        return False
    ports = f":{from_port:04X}", f":{to_port:04X}"
    for table in ("tcp6", "tcp"):  # gRPC dials IPv4 by a socket of IPv6, too
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[1].endswith(ports[0]) and words[2].endswith(ports[1]):
                    return f"socket:[{words[9]}]" in _held(pid)
    return False


def _held(pid: int) -> set[str]:
    held: set[str] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return held
