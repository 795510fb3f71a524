"""One stream of a device as the services see it, however it is carried. The seam between them and gRPC or a WebSocket.

`grpc_wire` and `web.wire` implement it; `service` and `transfer_service` use it and know no carrier.
"""

from __future__ import annotations

from typing import Protocol

from dispatch import errors
from dispatch.runtime.metrics import Carrier


class Gone(Exception):
    """The device has gone away without a goodbye."""


class Wire(Protocol):
    """A stream of messages in both directions. One task reads, one writes, and whoever handles it ends it."""

    @property
    def carrier(self) -> Carrier:
        """What carries it."""

    @property
    def address(self) -> str:
        """Where it comes from, for counting."""

    async def read(self) -> bytes:
        """Give the next message. Raises Gone, ProtocolViolation."""

    def let_in(self) -> None:
        """Hear that its device was let in: what comes from here on may be large."""

    async def write(self, message: bytes) -> None:
        """Write a message, and wait while the device reads slowly. Raises Gone."""

    async def refuse(self, error: errors.DispatchError) -> None:
        """End the stream with the error. It is nobody's fault when the device has gone before it could hear it."""
