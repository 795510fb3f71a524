"""Subject `jetstream`: NATS with a stream in a file. Messages are stored, confirmed, delivered, acknowledged."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Awaitable, Callable
from functools import partial

import nats
from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType

from bench.subjects.nats_core import NatsCore, NatsLine
from bench.subjects.subject import Ear, Lost, Role

STREAM = "bench"
_KEPT_BYTES = 256 * 1024 * 1024
"""What the stream keeps at most; the oldest goes first, as in a relay's thread."""

_API_SECONDS = 60.0
"""How long the server may take to make or forget a consumer: nobody measures that."""


class JetStreamLine(NatsLine):
    """A client whose messages are stored, and who acknowledges what it hears."""

    def __init__(self, ear: Ear) -> None:
        super().__init__(ear)
        self._confirmed = b""
        self.forget: Callable[[], Awaitable[object]] | None = None
        """Has the server forget the consumer. One that stayed would be a reader more of each message of a later pair."""

    async def close(self) -> None:
        """End the connection, and the consumer."""
        await super().close()
        if self.forget is not None:
            with contextlib.suppress(Error):
                await self.forget()

    async def begin(self, *, hears: bytes, confirmed: bytes, to: bytes) -> None:
        """Subscribe to what is delivered, and to what is confirmed. Raises Lost."""
        self._confirmed = confirmed
        await self.open(hears, to)
        await self.asked(b"SUB " + confirmed + b" 2\r\nPING\r\n")

    def send(self, message: bytes) -> None:
        """Publish a message, and ask to be told that it is stored."""
        self.write(b"PUB %b %b %d\r\n%b\r\n" % (self._to, self._confirmed, len(message), message))

    def message(self, subject: bytes, reply: bytes, payload: bytes) -> None:
        """Hear a message and acknowledge it, or learn what became of one."""
        if subject == self._confirmed:
            if b'"error"' in payload:
                self.ear.lost(payload.decode(errors="replace"))
            return
        self.ear.heard(payload)
        self.write(b"PUB %b 4\r\n+ACK\r\n" % reply)


class JetStream(NatsCore):
    """The subject."""

    name = "jetstream"
    about = "stores in a file, confirms"

    def __init__(self) -> None:
        super().__init__()
        self._manager: Client | None = None
        self._names = itertools.count()

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"nats://{self._server.host}:{self._server.port}"

    def options(self) -> list[str]:
        """Have a store."""
        return ["-js", "-sd", str(self._server.folder / "store")]

    async def start(self) -> None:
        """Start it, and make the stream. Raises Missing, Lost."""
        await super().start()
        try:
            self._manager = await nats.connect(self.url)
            await self._manager.jetstream(timeout=_API_SECONDS).add_stream(
                name=STREAM, subjects=["js.>"], storage=StorageType.FILE, max_bytes=_KEPT_BYTES
            )
        except Error as failure:
            raise Lost(repr(failure)) from failure

    async def link(self, pair: int, role: Role, ear: Ear) -> JetStreamLine:
        """Make a durable consumer for an end, and subscribe it."""
        assert self._manager is not None
        name = f"{role.value}-{pair}-{next(self._names)}"
        line = await JetStreamLine.dial(self._server.host, self._server.port, ear)
        await line.begin(
            hears=b"deliver." + name.encode(),
            confirmed=b"stored." + name.encode(),
            to=f"js.{role.other.value}.{pair}".encode(),
        )
        config = ConsumerConfig(
            durable_name=name,
            deliver_subject=f"deliver.{name}",
            filter_subject=f"js.{role.value}.{pair}",
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.NEW,
        )
        try:
            await self._manager.jetstream(timeout=_API_SECONDS).add_consumer(STREAM, config)
            line.forget = partial(self._manager.jetstream(timeout=_API_SECONDS).delete_consumer, STREAM, name)
        except Error as failure:
            raise Lost(repr(failure)) from failure
        return line

    async def stop(self) -> None:
        """End it."""
        if self._manager is not None:
            await self._manager.close()
        await super().stop()
