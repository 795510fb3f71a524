"""HKDF-SHA256 with the labels of the protocol, and HMAC.

Shared by the ceremony and the session. Knows no label's meaning.

docs/encryption.md "Conventions".
"""

from __future__ import annotations

import hmac

_DIGEST = "sha256"
_DIGEST_BYTES = 32
_NAMESPACE = b"dispatch/1 "


def mac(key: bytes, data: bytes) -> bytes:
    """Compute HMAC-SHA256."""
    return hmac.digest(key, data, _DIGEST)


def extract(salt: bytes, ikm: bytes) -> bytes:
    """Compute HKDF-Extract; an empty salt counts as 32 zeros, as RFC 5869 has it."""
    return mac(salt or bytes(_DIGEST_BYTES), ikm)


def derive(prk: bytes, label: bytes, length: int) -> bytes:
    """Compute KDF(prk, label, length): HKDF-Expand with "dispatch/1 " before the label. At most 32 bytes."""
    if not 0 < length <= _DIGEST_BYTES:
        raise ValueError("the protocol derives at most 32 bytes at a time")
    return mac(prk, _NAMESPACE + label + b"\x01")[:length]


def agree(h: bytes, k1: bytes, k2: bytes, shared_secret: bytes) -> bytes:
    """Compute the prk of a handshake: Noise's two keys and the KEM's secret, salted with the handshake hash."""
    return extract(h, k1 + k2 + shared_secret)
