"""Subject `tcp`: two hops of raw TCP, the floor."""

from __future__ import annotations

import sys

from bench.forwarders.tcp import LET_IN
from bench.subjects.line import Line
from bench.subjects.server import OfOneServer
from bench.subjects.subject import Ear, Role, opening

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


class Tcp(OfOneServer):
    """The subject."""

    name = "tcp"
    about = "copies bytes (uvloop)"

    async def start(self) -> None:
        """Start it."""
        await self._server.start([sys.executable, "-m", "bench.forwarders.tcp", str(self._server.port)])

    async def link(self, pair: int, role: Role, ear: Ear) -> TcpLine:
        """Connect an end."""
        line = await TcpLine.dial(self._server.host, self._server.port, ear)
        await line.asked(opening(role, pair))
        return line
