"""A place in the host's chain of events, as both sides name it to each other. docs/encryption.md "Heads"."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.encoding import u64

HASH_BYTES = 32
HEAD_BYTES = 8 + HASH_BYTES
ZERO_HASH = bytes(HASH_BYTES)
"""What stands for the event before the first."""


@dataclass(frozen=True, slots=True)
class Head:
    """The number and hash of an event; number 0 and zeros before the first."""

    number: int = 0
    hash: bytes = ZERO_HASH

    def __post_init__(self) -> None:
        if not 0 <= self.number < 2**64 or len(self.hash) != HASH_BYTES:
            raise ValueError("a head is a 64-bit number and a 32-byte hash")

    def to_bytes(self) -> bytes:
        """Write number (uint64) | hash."""
        return u64(self.number) + self.hash

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """Read what to_bytes wrote. Raises ValueError."""
        return cls(int.from_bytes(data[:8], "big"), data[8:])
