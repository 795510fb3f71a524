"""One side of a channel as a stream of messages: waits for credit, for parts, and for the end. Drives `channel`.

Messages of any size go out in parts and come back whole. One task reads, one writes; anybody may end it. Used by `front` and
`channel_wire`, fed by `hall`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dispatch.channel import MESSAGE_BYTES

from dispatch_relay.channels.channel import PART_BYTES, Channel
from dispatch_relay.channels.words import Ended, How, Part, Word

_MOST_BYTES = 2 * MESSAGE_BYTES
"""Largest message that is put together again: more than any carrier takes from a device or brings to one."""


class Over(Exception):
    """The channel has ended, and all that was said on it has been read."""


class Side:
    """One side of one channel."""

    def __init__(self, channel_id: bytes, *, say: Callable[[bytes], None]) -> None:
        """`say` puts bytes on the way to the other side."""
        # Fixed after __init__.
        self.channel_id = channel_id
        self.over: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._say = say
        # Touched on the loop only.
        self._channel = Channel(channel_id)
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._begun: list[bytes] = []  # the parts of a message that is not whole
        self._begun_bytes = 0

    def hear(self, number: int, word: Word) -> None:
        """Take a word of the other side."""
        told = self._channel.hear(number, word)
        if told is not None:
            self._say(told)
        self._wake()

    async def read(self) -> bytes:
        """Give the next message. Raises Over."""
        while True:
            part = self._channel.take()
            if part is None:
                if self._channel.ended is not None:
                    raise Over
                self._came.clear()
                await self._came.wait()
                continue
            credit = self._channel.credit()
            if credit is not None:
                self._say(credit)
            self._begun.append(part.data)
            self._begun_bytes += len(part.data)
            if self._begun_bytes > _MOST_BYTES:
                self.end(Ended(How.GARBLED))
                raise Over
            if part.last:
                message = b"".join(self._begun)
                self._begun, self._begun_bytes = [], 0
                return message

    async def write(self, message: bytes) -> None:
        """Say a message, and wait while the other side reads slowly. Raises Over."""
        for at in range(0, max(1, len(message)), PART_BYTES):
            piece = message[at : at + PART_BYTES]
            while self._channel.ended is None and not self._channel.has_room_for(len(piece)):
                self._room.clear()
                await self._room.wait()
            if self._channel.ended is not None:
                raise Over
            self._say(self._channel.say(Part(piece, last=at + PART_BYTES >= len(message))))

    def end(self, ended: Ended) -> None:
        """End it, and tell the other side how. Does nothing when it is over."""
        told = self._channel.end(ended)
        if told is not None:
            self._say(told)
            self._wake()

    def lose(self, how: How) -> None:
        """Take it for lost. Does nothing when it is over."""
        self._channel.lose(how)
        self._wake()

    def _wake(self) -> None:
        self._came.set()
        self._room.set()
        self._look()

    def _look(self) -> None:
        if self._channel.ended is not None and not self.over.done():
            self.over.set_result(self._channel.ended)
