"""How a device proves its key to a server, and how a server's word about a device is checked.

Byte strings and verdicts only. Called by the pairing service, the relay and both devices; imports no sealing code.
docs/encryption.md "Proof of a stream", "Proof of a transfer", "Proof of a call", "Grant", "Key set".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from dispatch.encoding import enc, u64
from dispatch.ids import ID_BYTES, DeviceId
from dispatch.signatures import KEY_BYTES, Signer, usable, verify

NONCE_BYTES = 32
_KEY_ID_BYTES = 8
_MOST_KEYS = 2


def device_id(public_key: bytes) -> DeviceId:
    """Compute the id of the device that has this Ed25519 key."""
    return DeviceId(sha256(b"dispatch/device/1" + public_key).digest()[:ID_BYTES])


def stream_proof_bytes(*, dialled: str, device: bytes, client_nonce: bytes, server_nonce: bytes, grant: bytes) -> bytes:
    """Write what a device signs at the start of a stream. `dialled` is the address as the client dialled it.

    `grant` is the whole serialized SignedGrant as it stands in Hello. A relay calls this with each of its own public
    names: a proof that was made for somebody else's address fits none of them.
    """
    return enc("dispatch-pop/1 stream", dialled, device, client_nonce, server_nonce, sha256(grant).digest())


def transfer_proof_bytes(
    *, dialled: str, device: bytes, client_nonce: bytes, server_nonce: bytes, grant: bytes, transfer_id: bytes
) -> bytes:
    """Write what a device signs to join a transfer: as for a stream, and for this transfer only."""
    return enc(
        "dispatch-pop/1 transfer", dialled, device, client_nonce, server_nonce, sha256(grant).digest(), transfer_id
    )


def call_proof_bytes(*, dialled: str, method: str, device: bytes, nonce: bytes, request: bytes) -> bytes:
    """Write what a device signs for one call. `method` is "/package.Service/Method"; `request` are its exact bytes."""
    return enc("dispatch-pop/1 call", dialled, method, device, nonce, sha256(request).digest())


def proves(public_key: bytes, device: bytes, signature: bytes, proof_bytes: bytes) -> bool:
    """Tell whether the key is the device's own and the signature is by it over the proof bytes."""
    return device_id(public_key) == device and verify(public_key, signature, proof_bytes)


def key_id(public_key: bytes) -> bytes:
    """Compute the 8 bytes by which a signing key of the service is named."""
    return sha256(public_key).digest()[:_KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class KeySignature:
    """A signature, and by which of the service's keys."""

    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class PinnedKeys:
    """The keys that sign grants, current one first: one, or two during a rotation. `sequence` counts the changes."""

    keys: tuple[bytes, ...]
    sequence: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= _MOST_KEYS or len(set(self.keys)) != len(self.keys):
            raise ValueError("a key set has one or two different keys")
        if not all(len(key) == KEY_BYTES and usable(key) for key in self.keys):
            raise ValueError("a key set holds Ed25519 keys")
        if not 0 <= self.sequence < 2**64:
            raise ValueError("a key set's sequence is 64 bits")


def sign_grant(signer: Signer, public_key: bytes, grant: bytes) -> KeySignature:
    """Sign the exact bytes of a grant."""
    return KeySignature(key_id(public_key), signer(_grant_bytes(grant)))


def verify_grant(pinned: PinnedKeys, grant: bytes, signature: KeySignature) -> bool:
    """Tell whether one of the pinned keys signed exactly these bytes. Parse them only after this."""
    return _signed_by(pinned.keys, _grant_bytes(grant), [signature])


def sign_key_set(signer: Signer, public_key: bytes, keys: PinnedKeys) -> KeySignature:
    """Sign a key set: each key of the new set and each key of the one before does it."""
    return KeySignature(key_id(public_key), signer(_key_set_bytes(keys)))


def may_replace(known: PinnedKeys | None, offered: PinnedKeys, signatures: Iterable[KeySignature]) -> bool:
    """Tell whether an offered key set is to be taken for the known one.

    With nothing known (first start) the connection is what vouches for it; its own current key must have signed it
    all the same. Later only a higher sequence that a *known* key signed is taken: no stranger's set gets in, nor an
    old one.
    """
    signed = list(signatures)
    if not _signed_by(offered.keys[:1], _key_set_bytes(offered), signed):
        return False
    if known is None:
        return True
    return offered.sequence > known.sequence and _signed_by(known.keys, _key_set_bytes(offered), signed)


def _signed_by(keys: Iterable[bytes], message: bytes, signatures: list[KeySignature]) -> bool:
    return any(key_id(key) == one.key_id and verify(key, one.signature, message) for key in keys for one in signatures)


def _grant_bytes(grant: bytes) -> bytes:
    return enc("dispatch/grant/1", grant)


def _key_set_bytes(keys: PinnedKeys) -> bytes:
    return enc("dispatch/keys/1", u64(keys.sequence), *keys.keys)
