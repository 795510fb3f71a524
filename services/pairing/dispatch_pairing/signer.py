"""A key that signs grants: one file, readable by nobody else. Called by signing_keys.py.

Losing it means that every relay turns everybody away, so a start without the key that the database knows fails.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from dispatch import secret_file
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.errors import StoreFailed
from dispatch.ids import PairId, Rng
from dispatch.proof import key_id, sign_grant

from dispatch_pairing.model import Device

_SEED_BYTES = 32
KEY_FILE = "signing.key"


@dataclass(frozen=True, slots=True)
class Signer:
    """One key: signs grants, and gives the service its other secrets."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """The 8 bytes by which the key is named."""
        return key_id(self.public)

    def grant(
        self, device: Device, pair_id: PairId, *, not_before_ms: int, not_after_ms: int, sequence: int
    ) -> pb.SignedGrant:
        """Sign a device's right to attach to a pairing, as exact bytes."""
        exact = pb.Grant(
            account_id=device.account_id,
            device_id=device.device_id,
            device_key=device.key,
            pair_id=pair_id,
            role=DeviceKind.ValueType(device.role),
            not_before_ms=not_before_ms,
            not_after_ms=not_after_ms,
            revocation_sequence=sequence,
        ).SerializeToString()
        signed = sign_grant(self.private.sign, self.public, exact)
        return pb.SignedGrant(grant=exact, key_id=signed.key_id, signature=signed.signature)

    def secret(self, purpose: str) -> bytes:
        """Give 32 secret bytes for another purpose, the same at each start."""
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"dispatch/pairing-service/1 {purpose}".encode())
        return hkdf.derive(self.private.private_bytes_raw())


def file_of(folder: Path, number: int) -> Path:
    """Name the file of a key: they are numbered from 1."""
    return folder / (KEY_FILE if number == 1 else f"signing-{number}.key")


def make(folder: Path, *, number: int, rng: Rng) -> Signer:
    """Make a key that the database does not know yet. A file of that number that was left behind by a crash goes."""
    seed = rng(_SEED_BYTES)
    _write(file_of(folder, number), seed)
    return Signer(private=Ed25519PrivateKey.from_private_bytes(seed))


def read(folder: Path, *, number: int, known: bytes) -> Signer:
    """Read a key. `known` is its id, as the database remembers it.

    Raises StoreFailed when others may read the file, when it is damaged, gone or not the known one.
    """
    file = file_of(folder, number)
    try:
        seed = secret_file.read(file)
    except FileNotFoundError as failure:
        raise StoreFailed(f"{file} is gone, and the relays trust no other key: restore it from the backup") from failure
    except ValueError as failure:
        raise StoreFailed(str(failure)) from failure
    except OSError as failure:
        raise StoreFailed(f"{file} can't be read: {failure.strerror}") from failure
    if len(seed) != _SEED_BYTES:
        raise StoreFailed(f"{file} is damaged: restore it from the backup")
    signer = Signer(private=Ed25519PrivateKey.from_private_bytes(seed))
    if signer.key_id != known:
        raise StoreFailed(f"{file} is not the key that the database remembers: restore both from the same backup")
    return signer


def _write(file: Path, seed: bytes) -> None:
    # Written aside and renamed: a crash leaves a whole key or none.
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(seed)
        opened.flush()
        os.fsync(opened.fileno())
    aside.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
