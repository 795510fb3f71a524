"""A WebSocket connection that can make us hold only so much: the one of `listener`, which `call` reads and writes."""

from __future__ import annotations

import asyncio
import socket as tcp
from typing import Any

from dispatch.channel import MESSAGE_BYTES
from websockets.asyncio.server import ServerConnection

WRITE_BYTES = 64 * 1_024
"""What may wait for the network before the next message is written."""
OPENING_BYTES = 32 * 1_024
"""What may come before its device is let in: a request, Hello, Proof and Open. More than any of ours needs."""
UNREAD_BYTES = 2 * MESSAGE_BYTES
"""What may wait to be read. A message waits for the one before it; the library's answers to Pings wait for nothing."""


class Connection(ServerConnection):
    """Is cut off without an answer when it says much before it was let in, or does not read what it is told."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._let_in = False
        self._heard_bytes = 0

    def owes(self) -> object | None:
        """Give a sign that no request has come; None when one has."""
        return self if self.request is None else None

    def let_in(self) -> None:
        """Take large messages from here on."""
        self._let_in = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        _keep_little_in_the_kernel(self.transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        self._heard_bytes += len(data)
        if not self._let_in and self._heard_bytes > OPENING_BYTES:
            self.transport.abort()
            return
        super().data_received(data)
        if self.transport.get_write_buffer_size() > UNREAD_BYTES:
            self.transport.abort()


def _keep_little_in_the_kernel(socket: Any) -> None:
    """Have what a slow reader has not taken wait with us, where newer words overtake it, rather than in megabytes of buffers."""
    if hasattr(tcp, "TCP_NOTSENT_LOWAT"):
        socket.setsockopt(tcp.IPPROTO_TCP, tcp.TCP_NOTSENT_LOWAT, WRITE_BYTES)
