"""A stream that another relay let in, as the services of the relay with the seat see it: a `Wire` over a channel."""

from __future__ import annotations

from dispatch import errors

from dispatch_relay.channels.arrival import Arrival
from dispatch_relay.channels.side import Over
from dispatch_relay.channels.words import Ended, How
from dispatch_relay.wire import Gone


class ChannelWire:
    """A `Wire` over a channel. What carries it, and where from, is what the front says of the device."""

    def __init__(self, arrival: Arrival) -> None:
        self.carrier = arrival.handed.carrier
        self.address = arrival.handed.address
        self._side = arrival.side

    async def read(self) -> bytes:
        """Give the next message. Raises Gone, and what the front ends the stream with: a DispatchError."""
        try:
            return await self._side.read()
        except Over:
            ended = self._side.over.result()
            if ended.error is not None:
                raise ended.error from None
            raise Gone from None

    def let_in(self) -> None:
        """Do nothing: the front has let it in."""

    async def write(self, message: bytes) -> None:
        """Write a message, and wait while the front, or the device behind it, reads slowly. Raises Gone."""
        try:
            await self._side.write(message)
        except Over:
            raise Gone from None

    async def refuse(self, error: errors.DispatchError) -> None:
        """End the stream with the error."""
        self._side.end(Ended(How.REFUSED, error))

    def leave(self) -> None:
        """End it in peace, if it has not ended."""
        self._side.end(Ended(How.PEACE))
