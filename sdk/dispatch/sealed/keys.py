"""What each side keeps of a pairing for as long as it lasts: the keys, as one value for the key store.

Written by the end of a ceremony, read by every session. docs/encryption.md "What is kept".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from dispatch.ids import PairId

_LAYOUT_VERSION = 1
_KEY_BYTES = 32
_BYTES = 1 + 1 + 16 + 5 * _KEY_BYTES


class Role(IntEnum):
    """Which end of the pairing this device is."""

    PHONE = 1
    HOST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PairKeys:
    """The keys of one pairing on one device. Its repr shows nothing secret."""

    pair_id: PairId
    role: Role
    own_x25519: bytes = field(repr=False)
    """This device's private key for this pairing alone."""
    peer_x25519: bytes = field(repr=False)
    """The peer's public key for this pairing."""
    own_ed25519: bytes = field(repr=False)
    """This device's public signing key; its private half lives elsewhere and is not of the pairing."""
    peer_ed25519: bytes = field(repr=False)
    """The peer's public signing key."""
    pair_psk: bytes = field(repr=False)
    """32 secret bytes that are used for nothing but the psk of a session."""

    def __post_init__(self) -> None:
        keys = (self.own_x25519, self.peer_x25519, self.own_ed25519, self.peer_ed25519, self.pair_psk)
        if len(self.pair_id) != 16 or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError("a key of the pairing has a wrong length")

    @property
    def host_ed25519(self) -> bytes:
        """The host's signing key, whichever side this is."""
        return self.own_ed25519 if self.role is Role.HOST else self.peer_ed25519

    @property
    def phone_ed25519(self) -> bytes:
        """The phone's signing key, whichever side this is."""
        return self.own_ed25519 if self.role is Role.PHONE else self.peer_ed25519

    def to_bytes(self) -> bytes:
        """Write the value for the key store. Secret."""
        head = bytes([_LAYOUT_VERSION, self.role])
        keys = (self.own_x25519, self.peer_x25519, self.own_ed25519, self.peer_ed25519, self.pair_psk)
        return head + self.pair_id + b"".join(keys)

    @classmethod
    def from_bytes(cls, data: bytes) -> PairKeys:
        """Read what to_bytes wrote. Raises ValueError."""
        if len(data) != _BYTES or data[0] != _LAYOUT_VERSION or data[1] not in (Role.PHONE, Role.HOST):
            raise ValueError("these are not the keys of a pairing")
        keys = [data[at : at + _KEY_BYTES] for at in range(18, _BYTES, _KEY_BYTES)]
        return cls(
            pair_id=PairId(data[2:18]),
            role=Role(data[1]),
            own_x25519=keys[0],
            peer_x25519=keys[1],
            own_ed25519=keys[2],
            peer_ed25519=keys[3],
            pair_psk=keys[4],
        )
