"""Subject `mosquitto`: MQTT 3.1.1 with QoS 1, where each message is confirmed on both ways."""

from __future__ import annotations

import getpass
import itertools

from bench.subjects.line import Line
from bench.subjects.server import OfOneServer, program
from bench.subjects.subject import Ear, Role

_CONNACK, _PUBLISH, _PUBACK, _SUBACK = 2, 3, 4, 9
_QOS_1 = 0x02
_KEEPALIVE_SECONDS = 0
"""None: what is silent between measurements stays."""


def packet(first: int, *parts: bytes) -> bytes:
    """Write a packet: its first byte, its length, its parts."""
    body = b"".join(parts)
    left, length = len(body), bytearray()
    while True:
        left, digit = left >> 7, left & 0x7F
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first, *length]) + body


def body_of(data: bytes, at: int) -> tuple[int, int] | None:
    """Find where the body of a packet begins and ends; None when its length, or its body, is not all there yet."""
    length = 0
    for place in range(4):
        if at + 1 + place >= len(data):
            return None
        digit = data[at + 1 + place]
        length |= (digit & 0x7F) << (7 * place)
        if not digit & 0x80:
            begin = at + 2 + place
            return (begin, begin + length) if len(data) >= begin + length else None
    raise ValueError("a length has at most four bytes")


def text(value: str) -> bytes:
    """Write a string with its length."""
    return len(value).to_bytes(2, "big") + value.encode()


class MqttLine(Line):
    """A client."""

    def __init__(self, ear: Ear) -> None:
        super().__init__(ear)
        self._to = b""
        self._ids = itertools.cycle(range(1, 1 << 16))

    async def open(self, name: str, *, hears: str, to: str) -> None:
        """Connect and subscribe. Raises Lost."""
        self._to = text(to)
        clean = b"\x04\x02"  # version 3.1.1; nothing is kept of earlier sessions
        await self.asked(packet(0x10, text("MQTT"), clean, _KEEPALIVE_SECONDS.to_bytes(2, "big"), text(name)))
        await self.asked(packet(0x82, self._id(), text(hears), b"\x01"))

    def send(self, message: bytes) -> None:
        """Publish a message."""
        self.write(packet(0x30 | _QOS_1, self._to, self._id(), message))

    def take(self, data: bytes, at: int) -> int:
        """Take a packet of the server."""
        found = body_of(data, at)
        if found is None:
            return at
        begin, end = found
        match data[at] >> 4:
            case kind if kind == _PUBLISH:
                topic = begin + 2 + int.from_bytes(data[begin : begin + 2], "big")
                self.ear.heard(data[topic + 2 : end])
                self.write(packet(_PUBACK << 4, data[topic : topic + 2]))
            case kind if kind in {_CONNACK, _SUBACK}:
                code = data[end - 1]
                granted = 1 if kind == _SUBACK else 0
                self.answered("" if code == granted else f"refused with code {code}")
        return end

    def _id(self) -> bytes:
        return next(self._ids).to_bytes(2, "big")


class Mosquitto(OfOneServer):
    """The subject."""

    name = "mosquitto"
    about = "MQTT QoS 1, in memory"

    def __init__(self) -> None:
        super().__init__()
        self._names = itertools.count()

    async def start(self) -> None:
        """Start it."""
        words = [program("mosquitto", package="mosquitto"), "-c", str(self._server.folder / "settings")]
        settings = [
            f"listener {self._server.port} {self._server.host}",
            "allow_anonymous true",
            "set_tcp_nodelay true",  # else each small message waits for the last one's acknowledgement by TCP
            "max_queued_messages 0",
            f"user {getpass.getuser()}",  # else root's server becomes another user, whose folder this is not
        ]
        (self._server.folder / "settings").write_text("\n".join(settings) + "\n")
        await self._server.start(words)

    async def link(self, pair: int, role: Role, ear: Ear) -> MqttLine:
        """Subscribe an end."""
        line = await MqttLine.dial(self._server.host, self._server.port, ear)
        name = f"{role.value}-{pair}-{next(self._names)}"
        await line.open(name, hears=f"{role.value}/{pair}", to=f"{role.other.value}/{pair}")
        return line
