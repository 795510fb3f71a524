"""Places as a peer names them, in the relay's log and in the chain of events. Pure; every one of them is hostile input."""

from __future__ import annotations

from dispatch import errors

LARGEST = 2**53 - 1
"""No thread gets so long, no store holds more, and every language has a number for it."""


def checked(seq: int) -> int:
    """Check a place in the relay's log. Raises ProtocolViolation beyond `LARGEST`."""
    if seq > LARGEST:
        raise errors.ProtocolViolation("a row's place is out of bounds")
    return seq


def oldest(error: errors.ResumeTooOld) -> int:
    """Read the relay's oldest row; nonsense counts as the first."""
    text = error.metadata.get("oldest_seq", "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 16 else 1
