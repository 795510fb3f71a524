"""The one primitive that seals everything: ChaCha20-Poly1305 under a key that is fresh for every call.

The salt makes a rolled-back key harmless: a key may come back from an old backup, a (key, nonce) pair does not.
docs/encryption.md "Box".
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dispatch.ids import Rng
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.kdf import mac

SALT_BYTES = 16
OVERHEAD_BYTES = SALT_BYTES + 16
_NONCE = bytes(12)


def seal_box(key: bytes, aad: bytes, text: bytes, rng: Rng) -> bytes:
    """Seal text. The result is OVERHEAD_BYTES longer than it."""
    salt = rng(SALT_BYTES)
    return salt + ChaCha20Poly1305(mac(key, salt)).encrypt(_NONCE, text, aad)


def open_box(key: bytes, aad: bytes, box: bytes) -> bytes:
    """Open a box. Raises SealError."""
    if len(box) < OVERHEAD_BYTES:
        raise SealError(Why.MALFORMED)
    try:
        return ChaCha20Poly1305(mac(key, box[:SALT_BYTES])).decrypt(_NONCE, box[SALT_BYTES:], aad)
    except InvalidTag:
        # Not chained: the library's error has nothing to add.
        raise SealError(Why.BAD_TAG) from None
