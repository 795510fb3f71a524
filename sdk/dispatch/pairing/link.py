"""The code that a host shows and a phone scans: its bytes, its text form, and the secrets that follow from it.

    dispatch:pair#<base64url of version (1) | offer id (16) | S (32) | host X25519 key (32) | service name>

Whoever sees the code within its two minutes can take part in its offer, so none of it goes to logs, and errors never
repeat it. docs/encryption.md "The link".
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from dispatch.ids import ID_BYTES, OfferId, Rng
from dispatch.names import service_name
from dispatch.sealed.kdf import derive, extract

VERSION = 1
SCHEME = "dispatch:pair#"
_KEY_BYTES = 32
_FIXED_BYTES = 1 + ID_BYTES + 2 * _KEY_BYTES
_LONGEST_LINK = 2048


class LinkFault(Enum):
    """What is wrong with a text that should be a code."""

    NOT_OURS = "this is something else than a pairing code"
    DAMAGED = "this is a pairing code, but a damaged one"
    NEWER = "this pairing code is of a newer version than this app"


class LinkError(ValueError):
    """A text is no code that can be used. The message says why in words for people and repeats nothing of the text."""

    def __init__(self, fault: LinkFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the code says, as the phone knows it. Its repr shows nothing secret."""

    offer_id: OfferId
    secret: bytes = field(repr=False)
    host_x25519: bytes = field(repr=False)
    service: str

    @property
    def link(self) -> str:
        """The text form, for the QR picture or for pasting. Secret until the offer has ended."""
        data = b"".join((bytes([VERSION]), self.offer_id, self.secret, self.host_x25519, self.service.encode()))
        return SCHEME + urlsafe_b64encode(data).rstrip(b"=").decode()

    @property
    def claim_token(self) -> bytes:
        """What shows the service that a phone saw the code; the service got only its hash beforehand."""
        return derive(extract(b"", self.secret), b"claim", 32)

    @property
    def claim_token_hash(self) -> bytes:
        """What the host tells the service when it opens the offer."""
        return sha256(self.claim_token).digest()

    @property
    def psk(self) -> bytes:
        """The ceremony's pre-shared key."""
        return derive(extract(b"", self.secret), b"pair psk", 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A code together with the private key behind it: the host's side. The key is made for this offer alone."""

    code: Code
    host_x25519_private: bytes = field(repr=False)

    @classmethod
    def make(cls, *, service: str, rng: Rng) -> Offer:
        """Make a fresh offer.

        Draws the id (16 bytes), S (32), the key (32). Raises ValueError for an unusable service name.
        """
        offer_id, secret, private = OfferId(rng(ID_BYTES)), rng(_KEY_BYTES), rng(_KEY_BYTES)
        public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        code = Code(offer_id=offer_id, secret=secret, host_x25519=public, service=service_name(service))
        return cls(code=code, host_x25519_private=private)


def read_link(text: str) -> Code:
    """Read a scanned or pasted code. Raises LinkError."""
    text = text.strip()
    if not text.startswith(SCHEME) or len(text) > _LONGEST_LINK:
        raise LinkError(LinkFault.NOT_OURS)
    data = _decode(text.removeprefix(SCHEME))
    if data[:1] > bytes([VERSION]):
        raise LinkError(LinkFault.NEWER)
    if data[:1] != bytes([VERSION]) or len(data) <= _FIXED_BYTES:
        raise LinkError(LinkFault.DAMAGED)
    try:
        service = service_name(data[_FIXED_BYTES:].decode())
    except ValueError:  # a UnicodeDecodeError would carry the bytes
        raise LinkError(LinkFault.DAMAGED) from None
    secret_at, key_at = 1 + ID_BYTES, 1 + ID_BYTES + _KEY_BYTES
    return Code(
        offer_id=OfferId(data[1:secret_at]),
        secret=data[secret_at:key_at],
        host_x25519=data[key_at:_FIXED_BYTES],
        service=service,
    )


def _decode(text: str) -> bytes:
    """Decode base64url without padding, strictly: the standard library would skip over foreign signs."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise LinkError(LinkFault.DAMAGED) from None
    if urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise LinkError(LinkFault.DAMAGED)
    return data
