"""A chain of keys: each frame has its own, and turning the chain forgets the one before.

Chains are values. `seal` and `open_` give the next one beside their result, so that a caller commits it together with
what it sealed or opened, and keeps the old one when that fails. docs/encryption.md "Chains".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dispatch.ids import PairId, Rng
from dispatch.sealed.box import open_box, seal_box
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.frame import EPOCH_BYTES, Direction, FrameClass, aad, header, pad, parse, unpad
from dispatch.sealed.kdf import mac

FURTHEST_AHEAD = 16_384
"""So far a chain is turned for one frame, before its tag is checked: 27 ms of work for whoever names a place."""
DIRECT_LEAP = 1_024
"""The same where everybody can reach us: a stream on the local network neither reorders nor skips, so what is missing there went
by the relay. 2 ms."""
_MESSAGE_KEY = b"\x01"
_NEXT_KEY = b"\x02"
_LAYOUT_VERSION = 1
_BYTES = 1 + 16 + EPOCH_BYTES + 1 + 1 + 8 + 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where a chain stands: `key` seals or opens place `n`, the next one. Its repr does not show the key."""

    pair_id: PairId
    epoch: bytes
    direction: Direction
    frame_class: FrameClass
    n: int
    key: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """Write the chain for a store. Secret."""
        kind = bytes([self.direction, self.frame_class])
        return b"".join((bytes([_LAYOUT_VERSION]), self.pair_id, self.epoch, kind, self.n.to_bytes(8, "big"), self.key))

    @classmethod
    def from_bytes(cls, data: bytes) -> Chain:
        """Read what to_bytes wrote. Raises ValueError."""
        if len(data) != _BYTES or data[0] != _LAYOUT_VERSION:
            raise ValueError("this is not a chain")
        return cls(
            pair_id=PairId(data[1:17]),
            epoch=data[17:25],
            direction=Direction(data[25]),
            frame_class=FrameClass(data[26]),
            n=int.from_bytes(data[27:35], "big"),
            key=data[35:],
        )


class Sealed(NamedTuple):
    """A frame to send, and the chain to commit before it is sent."""

    sealed: bytes
    chain: Chain


class OpenedFrame(NamedTuple):
    """A body, and the chain to commit together with what follows from it."""

    body: bytes
    chain: Chain


def seal(chain: Chain, body: bytes, rng: Rng) -> Sealed:
    """Seal a body at the chain's place. Raises ValueError for a body that is too long."""
    head = header(chain.epoch, chain.n)
    bound = aad(chain.pair_id, chain.direction, chain.frame_class, head)
    box = seal_box(mac(chain.key, _MESSAGE_KEY), bound, pad(body), rng)
    return Sealed(head + box, replace(chain, n=chain.n + 1, key=mac(chain.key, _NEXT_KEY)))


def open_(chain: Chain, sealed: bytes, *, furthest: int = FURTHEST_AHEAD) -> OpenedFrame:
    """Open a frame at or behind the chain's place, at most `furthest` places; keys that were skipped are gone.

    Raises SealError, the chain still holds.
    """
    frame = parse(sealed)
    if frame.epoch != chain.epoch:
        raise SealError(Why.UNKNOWN_EPOCH)
    if frame.n < chain.n:
        raise SealError(Why.TOO_OLD)
    if frame.n - chain.n > furthest:
        raise SealError(Why.TOO_FAR)
    key = chain.key
    for _ in range(frame.n - chain.n):
        key = mac(key, _NEXT_KEY)
    bound = aad(chain.pair_id, chain.direction, chain.frame_class, header(frame.epoch, frame.n))
    body = unpad(open_box(mac(key, _MESSAGE_KEY), bound, frame.box))
    return OpenedFrame(body, replace(chain, n=frame.n + 1, key=mac(key, _NEXT_KEY)))
