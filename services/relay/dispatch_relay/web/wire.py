"""A stream of a device over a WebSocket: one binary message is one message of the contract."""

from __future__ import annotations

import contextlib

from dispatch import errors
from dispatch.runtime.metrics import Carrier
from dispatch.runtime.peer import FORWARDED, Proxies
from websockets.exceptions import ConnectionClosed

from dispatch_relay.web import close
from dispatch_relay.web.connection import Connection
from dispatch_relay.wire import Gone


class WebWire:
    """A `Wire` over a WebSocket. Nobody cancels its handler but the listener, when the connection is lost."""

    carrier = Carrier.WEB

    def __init__(self, connection: Connection, *, proxies: Proxies) -> None:
        peer, request = connection.remote_address, connection.request
        said = () if request is None else request.headers.get_all(FORWARDED)
        self.address = proxies.of_web(peer[0], said) if peer else ""
        self._connection = connection

    async def read(self) -> bytes:
        """Give the next message. Raises Gone, ProtocolViolation."""
        try:
            message = await self._connection.recv(decode=None)
        except ConnectionClosed:
            raise Gone from None
        if not isinstance(message, bytes):
            raise errors.ProtocolViolation("a message that is not binary")
        return message

    def let_in(self) -> None:
        """Take more than an opening needs from here on."""
        self._connection.let_in()

    async def write(self, message: bytes) -> None:
        """Write a message, and wait while more than a little of it has not left. Raises Gone."""
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise Gone from None

    async def refuse(self, error: errors.DispatchError) -> None:
        """Close with the error, and wait until the device has heard it or is gone."""
        with contextlib.suppress(ConnectionClosed):
            await self._connection.close(close.code_of(error), close.reason_of(error))
