"""What a call is: its name, what its caller must show, who answers it. The table rows of the service's gRPC face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from dispatch_pairing.door import Need

_PACKAGE = "dispatch.api.pairing.v1"
ACCOUNT, DEVICE, PAIRING, TRUST, HISTORY = (
    f"{_PACKAGE}.{name}"
    for name in ("AccountService", "DeviceService", "PairingService", "TrustService", "HistoryService")
)
FOR_DEVICES, FOR_SERVICES = (ACCOUNT, DEVICE, PAIRING), (TRUST, HISTORY)

Write = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Method:
    """One call: its name, its request, what its caller must show, what answers it."""

    service: str
    name: str
    request: type[Message]
    need: Need
    answer: Callable[[Any, Any], Awaitable[Message]]
    """Takes the caller and the request."""

    @property
    def full(self) -> str:
        """The name that proofs are bound to."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Feed:
    """One call with a stream of answers."""

    service: str
    name: str
    request: type[Message]
    need: Need
    follow: Callable[[Any, Any, Write], Awaitable[None]]
    """Takes the caller (None with Need.SERVICE), the request, and how to say something."""

    @property
    def full(self) -> str:
        """The name that proofs are bound to."""
        return f"/{self.service}/{self.name}"
