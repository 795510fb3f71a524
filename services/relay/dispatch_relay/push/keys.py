"""The relay's VAPID key (RFC 8292): who calls, to the push services. Made on the first start, or given as a file.

Whoever has it can call the phones that subscribed with it, and another one calls none of them. docs/operations.md "Push".
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from dispatch_relay.push import private_file


def load(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read the key; raises ValueError for what is none and for what others may read, OSError."""
    text = private_file.read(path)
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise ValueError(f"{path} is no private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"{path} is no key of P-256")  # noqa: TRY004 -- a mistake in a file, said as one
    return key


def load_or_make(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read the key; makes it, for its owner's eyes only, when there is none. Raises ValueError, OSError."""
    if path.exists():
        return load(path)
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = path.with_suffix(".new")  # a half of a key must not be taken for one
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    return key


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Give the public key as phones subscribe with it: an uncompressed point, 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Give bytes that only who has the key knows."""
    return key.private_numbers().private_value.to_bytes(32, "big")
