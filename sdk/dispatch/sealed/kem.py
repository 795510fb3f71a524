"""ML-KEM-768: a second secret beside the curve, so that traffic recorded today stays closed to a quantum computer.

Key generation takes its seed as an argument. Encapsulation can't: the library draws its own randomness, so it is handed
around as a function and the project's vectors fix its result. docs/encryption.md "The second secret".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

KEY_BYTES = 1184
CIPHERTEXT_BYTES = 1088
SECRET_BYTES = 32
SEED_BYTES = 64

DecapsulationKey = MLKEM768PrivateKey


class Encapsulated(NamedTuple):
    """What encapsulation gives: the secret, which stays here, and the ciphertext, which travels."""

    secret: bytes
    ciphertext: bytes

    def __repr__(self) -> str:
        return "Encapsulated(…)"


Encapsulate = Callable[[bytes], Encapsulated]
"""Makes a secret for an encapsulation key. Raises ValueError for bytes that are no key."""


def generate(seed: bytes) -> DecapsulationKey:
    """Make a key from 64 bytes, d | z of FIPS 203."""
    return MLKEM768PrivateKey.from_seed_bytes(seed)


def encapsulation_key(key: DecapsulationKey) -> bytes:
    """Give the 1,184 bytes that the peer encapsulates to."""
    return key.public_key().public_bytes_raw()


def encapsulate(key: bytes) -> Encapsulated:
    """Make a fresh secret for that key. Raises ValueError."""
    secret, ciphertext = MLKEM768PublicKey.from_public_bytes(key).encapsulate()
    return Encapsulated(secret, ciphertext)


def decapsulate(key: DecapsulationKey, ciphertext: bytes) -> bytes:
    """Give the secret.

    A ciphertext made for another key gives some other secret, not an error; a wrong length raises ValueError.
    """
    return key.decapsulate(ciphertext)
