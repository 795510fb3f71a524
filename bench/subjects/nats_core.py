"""Subject `nats`: NATS core. Its protocol is lines, and payloads behind some of them; spoken by hand, as every subject's is."""

from __future__ import annotations

import json

from bench.subjects.line import Line
from bench.subjects.server import OfOneServer, program
from bench.subjects.subject import Ear, Role

_HELLO = b"CONNECT " + json.dumps({"verbose": False, "pedantic": False, "name": "bench"}).encode() + b"\r\n"


class NatsLine(Line):
    """A client. Hears what comes to its subject, sends to the peer's."""

    def __init__(self, ear: Ear) -> None:
        super().__init__(ear)
        self._to = b""

    async def open(self, hears: bytes, to: bytes) -> None:
        """Subscribe, and be back when the server has that. Raises Lost."""
        self._to = to
        await self.asked(_HELLO + b"SUB " + hears + b" 1\r\nPING\r\n")

    def send(self, message: bytes) -> None:
        """Publish a message."""
        self.write(b"PUB %b %d\r\n%b\r\n" % (self._to, len(message), message))

    def take(self, data: bytes, at: int) -> int:
        """Take a line of the server, and the payload behind it."""
        end = data.find(b"\r\n", at)
        if end < 0:
            return at
        words = data[at:end].split(b" ")
        begin = end + 2
        match words[0]:
            case b"MSG":
                then = begin + int(words[-1])
                if len(data) < then + 2:
                    return at
                self.message(words[1], words[3] if len(words) == 5 else b"", data[begin:then])
                return then + 2
            case b"PONG":
                self.answered()
            case b"PING":
                self.write(b"PONG\r\n")
            case b"-ERR":
                why = data[at:end].decode(errors="replace")
                self.answered(why)
                self.ear.lost(why)
        return begin

    def message(self, subject: bytes, reply: bytes, payload: bytes) -> None:
        """Hear a message. `reply` is where an answer goes, for those who give one."""
        self.ear.heard(payload)


class NatsCore(OfOneServer):
    """The subject."""

    name = "nats"
    about = "publishes, at most once"

    async def start(self) -> None:
        """Start it."""
        server = self._server
        await server.start(
            [program("nats-server", package="nats-server"), "-a", server.host, "-p", str(server.port), *self.options()]
        )

    def options(self) -> list[str]:
        """Give more words for the server."""
        return []

    async def link(self, pair: int, role: Role, ear: Ear) -> NatsLine:
        """Subscribe an end."""
        line = await NatsLine.dial(self._server.host, self._server.port, ear)
        await line.open(b"%b.%d" % (role.value.encode(), pair), b"%b.%d" % (role.other.value.encode(), pair))
        return line
