"""What every subject of a comparison has in common, so that one measurement fits all: docs/benchmarks.md "What is compared"."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol


class Missing(Exception):
    """The subject can't run on this computer; the text says what is not there."""


class Lost(Exception):
    """A message did not come back, or an end of a pair is gone; the text says why."""


class Role(Enum):
    """What an end is in its pair."""

    PHONE = "phone"
    HOST = "host"

    @property
    def other(self) -> Role:
        """Give the peer."""
        return Role.HOST if self is Role.PHONE else Role.PHONE


def opening(role: Role, pair: int) -> bytes:
    """Say which end of which pair this is, as the forwarders read it: 5 bytes."""
    return role.value[:1].encode() + pair.to_bytes(4, "big")


class Ear(Protocol):
    """Who hears what comes to an end. Called on the loop; must not take long."""

    def heard(self, message: bytes) -> None:
        """Take a message of the peer."""

    def lost(self, why: str) -> None:
        """Take that nothing more will come, or that a message was refused."""


class Link(Protocol):
    """The connection of one end of a pair to the server."""

    def send(self, message: bytes) -> None:
        """Send the peer a message, now or as soon as it can be written."""

    async def close(self) -> None:
        """End the connection."""


class Subject(Protocol):
    """A server that carries messages between the ends of pairs."""

    @property
    def name(self) -> str:
        """One word, as docs/benchmarks.md has it."""

    @property
    def about(self) -> str:
        """What the server does with a message, in a few words."""

    @property
    def pids(self) -> Sequence[int]:
        """The processes of the server while it runs: what their CPU and memory is counts."""

    async def start(self) -> None:
        """Start the server. Raises Missing, or Lost when it does not begin."""

    async def link(self, pair: int, role: Role, ear: Ear) -> Link:
        """Connect an end of a pair, and be back when messages reach it. The host comes first. Raises Lost."""

    async def stop(self) -> None:
        """End the server, and leave nothing of it. Does nothing where it does not run."""
