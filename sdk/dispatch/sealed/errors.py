"""Why something sealed was not opened: one error, one enum.

Nothing here, and no message, ever holds a key or a body.
"""

from __future__ import annotations

from enum import Enum


class Why(Enum):
    """What did not fit."""

    MALFORMED = "malformed"
    """Not the bytes of a sealed frame or handshake message at all: length, kind or padding."""
    VERSION = "version"
    """A version that this side does not speak."""
    OTHER_PAIR = "other pair"
    """A handshake of another pairing."""
    UNKNOWN_EPOCH = "unknown epoch"
    """Sealed in an epoch that this side does not hold, or no longer."""
    TOO_OLD = "too old"
    """Its place in the chain was used before: a replay, or a row that came twice."""
    TOO_FAR = "too far"
    """Its place lies further ahead than a chain is turned for one frame."""
    REPLAYED = "replayed"
    """A handshake message that was answered before: the phone never sends one twice."""
    BAD_TAG = "bad tag"
    """Forged, damaged, or sealed under another key."""


FORGED = frozenset({Why.MALFORMED, Why.VERSION, Why.TOO_FAR, Why.BAD_TAG})
"""What only somebody else writes: for the rest it is enough that frames overtake each other, or come twice."""
FORGED_AT_MOST = 3
"""So many such frames end a direct path, where everybody can reach us; the first one does before it is open."""


class SealError(Exception):
    """A frame or a handshake message does not open. What was there before is unchanged."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why
