"""Ed25519 as everything here uses it: a signer is a function, so that a key may live where nobody can read it.

Called by the attestation, the proofs and the history. Makes no keys and knows no meanings of what is signed.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Signer = Callable[[bytes], bytes]
"""Signs a message with the device's Ed25519 key: `Ed25519PrivateKey.sign`, or a key store's."""

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# The y of the eight points of small order: under such a "key" one signature fits every message, and OpenSSL accepts it.
# Compared after reduction, because the encoding of y is not unique.
_SMALL = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the signature is by that key over that message. Wrong lengths and unusable keys are simply no."""
    if len(signature) != SIGNATURE_BYTES or not usable(public_key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def usable(public_key: bytes) -> bool:
    """Tell whether these 32 bytes may be somebody's Ed25519 key: not a point for which anyone can sign."""
    return len(public_key) == KEY_BYTES and _y(public_key) not in _SMALL


def _y(public_key: bytes) -> int:
    return (int.from_bytes(public_key, "little") & (2**255 - 1)) % _P
