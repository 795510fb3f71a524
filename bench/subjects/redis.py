"""Subject `redis`: publish and subscribe, by RESP3, which has both on one connection."""

from __future__ import annotations

from typing import Any

from bench.subjects.line import Line
from bench.subjects.server import OfOneServer, program
from bench.subjects.subject import Ear, Role


class Refused(Exception):
    """What the server answered is an error; the text is its own."""


def word(data: bytes, at: int) -> tuple[Any, int] | None:
    """Read a value of RESP3 and where the next one begins; None when it is not all there. A push is a tuple, an error a Refused."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    kind, said, then = data[at : at + 1], data[at + 1 : end], end + 2
    match kind:
        case b"$" | b"=":
            length = int(said)
            if length < 0:
                return None, then
            return (data[then : then + length], then + length + 2) if len(data) >= then + length + 2 else None
        case b"*" | b"~" | b">" | b"%":
            several: list[Any] = []
            for _ in range(int(said) * (2 if kind == b"%" else 1)):
                one = word(data, then)
                if one is None:
                    return None
                value, then = one
                several.append(value)
            return (tuple(several) if kind == b">" else several), then
        case b":":
            return int(said), then
        case b"-":
            return Refused(said.decode(errors="replace")), then
        case _:
            return said, then


def command(*words: bytes) -> bytes:
    """Write a command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in words)


class RedisLine(Line):
    """A client."""

    def __init__(self, ear: Ear) -> None:
        super().__init__(ear)
        self._to = b""
        self._greeted = False

    async def open(self, *, hears: bytes, to: bytes) -> None:
        """Speak RESP3, and subscribe. Raises Lost."""
        self._to = to
        await self.asked(command(b"HELLO", b"3"))
        self._greeted = True
        await self.asked(command(b"SUBSCRIBE", hears))

    def send(self, message: bytes) -> None:
        """Publish a message."""
        self.write(command(b"PUBLISH", self._to, message))

    def take(self, data: bytes, at: int) -> int:
        """Take a value: a push, or the answer to a command."""
        found = word(data, at)
        if found is None:
            return at
        value, then = found
        match value:
            case (b"message", _, bytes(message)):
                self.ear.heard(message)
            case (b"subscribe", *_):
                self.answered()
            case Refused():
                self.answered(str(value))
                self.ear.lost(str(value))
            case 0:
                self.ear.lost("nobody was there to hear a message")
            case _ if not self._greeted:
                self.answered()
        return then


class Redis(OfOneServer):
    """The subject."""

    name = "redis"
    about = "publishes, at most once"

    async def start(self) -> None:
        """Start it, with nothing on the disk."""
        server = self._server
        settings = {"bind": server.host, "port": str(server.port), "dir": str(server.folder), "save": ""}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        await server.start([program("redis-server", package="redis-server"), *words, "--appendonly", "no"])

    async def link(self, pair: int, role: Role, ear: Ear) -> RedisLine:
        """Subscribe an end."""
        line = await RedisLine.dial(self._server.host, self._server.port, ear)
        await line.open(hears=f"{role.value}:{pair}".encode(), to=f"{role.other.value}:{pair}".encode())
        return line
