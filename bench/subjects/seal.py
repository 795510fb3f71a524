"""The sealing of a pair as its devices do it, but for the handshake: keys that both ends know from the beginning. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.ids import PairId, Rng
from dispatch.sealed import chain
from dispatch.sealed.chain import Chain
from dispatch.sealed.frame import EPOCH_BYTES, Direction, FrameClass

KEY_BYTES = 32
LENGTH_BYTES = 4
"""Of a text say how long its body is: a message of N bytes is a text of N, and its body is shorter by so many."""


@dataclass(slots=True)
class Sealer:
    """One chain of an end: it seals, or opens, one message after the other."""

    chain: Chain
    rng: Rng

    def seal(self, body: bytes) -> bytes:
        """Seal a body. Raises ValueError for one that is too long."""
        sealed, self.chain = chain.seal(self.chain, body, self.rng)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """Open what the peer has sealed. Raises SealError."""
        body, self.chain = chain.open_(self.chain, sealed)
        return body


def sealer(pair_id: bytes, direction: Direction, frame_class: FrameClass, *, rng: Rng) -> Sealer:
    """Make one. What two ends make for the same pairing, direction and class fits together.

    The key is made of the pairing's id: it keeps no secret, and there is none in a bench.
    """
    key = pair_id.ljust(KEY_BYTES, b"\0")
    begin = Chain(
        pair_id=PairId(pair_id),
        epoch=bytes(EPOCH_BYTES),
        direction=direction,
        frame_class=frame_class,
        n=0,
        key=key,
    )
    return Sealer(begin, rng)
