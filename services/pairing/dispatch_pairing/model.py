"""What the service keeps, as values. Knows no SQL and no protobuf. Offers, being a machine, have their own module."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from dispatch.ids import AccountId, DeviceId, PairId


class Role(IntEnum):
    """What a device is; the numbers are DeviceKind's."""

    PHONE = 1
    HOST = 2


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in."""

    account_id: AccountId
    name: str
    folded: str
    """The name by which it is found; unique."""
    password: str = field(repr=False)
    """Argon2id as PHC text."""
    created_ms: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device key and the account that it belongs to."""

    device_id: DeviceId
    account_id: AccountId
    key: bytes
    """Ed25519 public key, 32 bytes; the device id follows from it."""
    role: Role
    name: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in. A device has one at most."""

    device_id: DeviceId
    token_hash: bytes = field(repr=False)
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """A phone and a host that may speak to each other, or once might. One that is over stays: it is never revived."""

    pair_id: PairId
    account_id: AccountId
    host_id: DeviceId
    phone_id: DeviceId
    created_ms: int
    ended_sequence: int | None = None
    """Its place in the count of the trust feed; None while the pairing is active."""
    ended_by: Role | None = None
    """Which side ended it; None for the service itself (replaced by a new pairing)."""

    @property
    def active(self) -> bool:
        """Whether it may be used."""
        return self.ended_sequence is None

    def role_of(self, device_id: DeviceId) -> Role | None:
        """Give what the device is in this pairing, or None for a stranger."""
        return {self.host_id: Role.HOST, self.phone_id: Role.PHONE}.get(device_id)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the service is, and may not forget: written at the first start."""

    service_name: str | None
    """Bound into QR codes and attestations."""
    key_id: bytes | None
    """Of the key that signs grants: a start without that key must fail, or every relay would turn everybody away."""
    sequence: int
    """The trust feed's count."""
