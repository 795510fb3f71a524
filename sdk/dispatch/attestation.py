"""What both devices sign at the end of a pairing: which phone and which host are a pair, at which service.

The devices sign it, the pairing service checks it and makes the pair active. Holds no secret and imports no sealing
code, so that services may use it. docs/encryption.md "Attestation".
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.encoding import EncodingError, dec, enc
from dispatch.ids import ID_BYTES, PairId
from dispatch.names import service_name
from dispatch.signatures import usable, verify

_DOMAIN = b"dispatch/attest/1"


class AttestationError(ValueError):
    """An attestation is malformed, or a signature does not fit it. The contract's reason: ATTESTATION_MISMATCH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """Names the two devices of a pair by their Ed25519 keys, and the service at which they were paired."""

    pair_id: PairId
    service: str
    host_key: bytes
    phone_key: bytes


def attestation(*, pair_id: bytes, service: str, host_key: bytes, phone_key: bytes) -> bytes:
    """Write A, the bytes that both devices sign."""
    return enc(_DOMAIN, pair_id, service, host_key, phone_key)


def parse_attestation(data: bytes) -> Attestation:
    """Read A. Says nothing about who signed it. Raises AttestationError."""
    try:
        domain, pair_id, service, host_key, phone_key = dec(data, 5)
        name = service_name(service.decode())
    except (EncodingError, ValueError) as error:
        raise AttestationError("the attestation is malformed") from error
    if domain != _DOMAIN or len(pair_id) != ID_BYTES:
        raise AttestationError("the attestation is malformed")
    if not usable(host_key) or not usable(phone_key) or host_key == phone_key:
        raise AttestationError("the attestation does not name two device keys")
    return Attestation(pair_id=PairId(pair_id), service=name, host_key=host_key, phone_key=phone_key)


def verify_attestation(data: bytes, *, phone_signature: bytes, host_signature: bytes) -> Attestation:
    """Read A and check that both devices named in it signed it. Raises AttestationError.

    The caller still compares service, keys and offer with what it knows: this only shows that the two agree.
    """
    read = parse_attestation(data)
    if not verify(read.phone_key, phone_signature, data):
        raise AttestationError("the phone's signature does not fit")
    if not verify(read.host_key, host_signature, data):
        raise AttestationError("the host's signature does not fit")
    return read
