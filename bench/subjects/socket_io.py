"""Subject `socket-io`: a socket.io server on Node.

Its clients are by hand, over `websockets`: Engine.IO 4 and Socket.IO 5 are a digit or two in front of JSON, and the published
client for Python would cost the load more than the server.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.subjects.outgoing import Outgoing
from bench.subjects.server import OfOneServer, program
from bench.subjects.subject import Ear, Lost, Missing, Role
from tests.support.waiting import DEADLINE_SECONDS

FOLDER = Path(__file__).resolve().parents[1] / "socket_io"
_PING, _PONG, _CONNECT, _EVENT = "2", "3", "40", "42"


def event(message: bytes) -> str:
    """Write a message."""
    return f'{_EVENT}["message","{base64.b64encode(message).decode()}"]'


def message_of(packet: str) -> bytes | None:
    """Read a message; None when the packet is none."""
    if not packet.startswith(_EVENT):
        return None
    name, sealed = json.loads(packet[len(_EVENT) :])
    return base64.b64decode(sealed) if name == "message" else None


class SocketIoLink:
    """A client."""

    def __init__(self, socket: ClientConnection, ear: Ear) -> None:
        self._socket, self._ear = socket, ear
        self._outgoing: Outgoing[str] = Outgoing(socket.send, failed=ear.lost)
        self._reader: asyncio.Task[None] | None = None

    async def open(self, pair: int) -> None:
        """Join the room of the pair, and wait until the server has that. Raises Lost."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._socket.recv()  # what the server would like of pings
                await self._socket.send(_CONNECT + json.dumps({"pair": pair}))
                answer = await self._socket.recv()
        except (WebSocketException, TimeoutError) as failure:
            raise Lost(repr(failure)) from failure
        if not str(answer).startswith(_CONNECT):
            raise Lost(f"refused: {answer!r}")
        self._reader = asyncio.create_task(self._read())

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._outgoing.add(event(message))

    async def close(self) -> None:
        """End the connection."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        await self._outgoing.close()
        await self._socket.close()

    async def _read(self) -> None:
        try:
            while True:
                packet = str(await self._socket.recv())
                if (message := message_of(packet)) is not None:
                    self._ear.heard(message)
                elif packet == _PING:
                    self._outgoing.add(_PONG)
        except WebSocketException as failure:
            self._ear.lost(f"the connection ended: {failure}")


class SocketIo(OfOneServer):
    """The subject."""

    name = "socket-io"
    about = "socket.io on Node, forwards"

    async def start(self) -> None:
        """Start it."""
        node = program("node", package="nodejs")
        if not (FOLDER / "node_modules" / "socket.io").is_dir():
            raise Missing("socket.io is not installed: make bench installs it")
        await self._server.start(
            [node, str(FOLDER / "server.js"), str(self._server.port)], env={"NODE_ENV": "production"}
        )

    async def link(self, pair: int, role: Role, ear: Ear) -> SocketIoLink:
        """Connect an end: both join one room, and hear whatever the other one says."""
        url = f"ws://{self._server.host}:{self._server.port}/socket.io/?EIO=4&transport=websocket"
        try:
            socket = await connect(url, compression=None, max_size=None, ping_interval=None)
        except (OSError, WebSocketException) as failure:
            raise Lost(repr(failure)) from failure
        link = SocketIoLink(socket, ear)
        await link.open(pair)
        return link
