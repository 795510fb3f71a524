"""Subject `tcp`: two hops of raw TCP, the floor."""

from __future__ import annotations

import sys

from bench.forwarders.tcp import LET_IN
from bench.subjects.line import Line
from bench.subjects.server import Server
from bench.subjects.subject import Ear, Role

_LENGTH_BYTES = 4


class TcpLine(Line):
    """Messages with their length in front of them; the first byte that comes is the server's word that it let the end in."""

    def __init__(self, ear: Ear) -> None:
        super().__init__(ear)
        self._in = False

    def take(self, data: bytes, at: int) -> int:
        """Take a message."""
        if not self._in:
            self._in = data[at : at + 1] == LET_IN
            self.answered("" if self._in else "no forwarder")
            return at + 1
        begin = at + _LENGTH_BYTES
        end = begin + int.from_bytes(data[at:begin], "big")
        if len(data) < begin or len(data) < end:
            return at
        self.ear.heard(data[begin:end])
        return end

    def send(self, message: bytes) -> None:
        """Send a message."""
        self.write(len(message).to_bytes(_LENGTH_BYTES, "big") + message)


class Tcp:
    """The subject."""

    name = "tcp"
    about = "copies bytes (uvloop)"

    def __init__(self) -> None:
        self._server = Server(self.name)

    @property
    def pids(self) -> list[int]:
        """The forwarder."""
        return self._server.pids

    async def start(self) -> None:
        """Start it."""
        await self._server.start([sys.executable, "-m", "bench.forwarders.tcp", str(self._server.port)])

    async def link(self, pair: int, role: Role, ear: Ear) -> TcpLine:
        """Connect an end."""
        line = await TcpLine.dial(self._server.host, self._server.port, ear)
        await line.asked(role.value[:1].encode() + pair.to_bytes(4, "big"))
        return line

    async def stop(self) -> None:
        """End it."""
        await self._server.stop()
