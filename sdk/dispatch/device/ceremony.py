"""Drives the pairing ceremony over the pairing service, on either side. The rules are `dispatch.pairing`'s, which is pure.

A person is asked through `Person`; what must be remembered is committed through `commit` before the other side can hear of it
(docs/encryption.md, "Pairing"). Whatever goes wrong ends in one DispatchError, and the offer is ended at the service too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.device.pairing_client import PairingClient
from dispatch.pairing import CeremonyFailed, HostCeremony, Link, Paired, PhoneCeremony

CLAIM_SECONDS = 120.0
CONFIRM_SECONDS = 120.0
RETRY_SECONDS = 0.5


class Person(Protocol):
    """The person in front of the device."""

    def show(self, link: str, seconds: float) -> None:
        """Show a fresh code, good for that long."""

    async def same(self, code: str, peer: str) -> bool:
        """Ask whether the other device shows the same code. Cancelled when the ceremony ends meanwhile."""

    def warn(self, error: errors.DispatchError) -> None:
        """Tell something while the ceremony goes on."""
