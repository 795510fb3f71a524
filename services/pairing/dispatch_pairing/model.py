"""What the service keeps, as values. Knows no SQL and no protobuf. Offers, being a machine, have their own module.

Times are ms since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from hashlib import sha256

from dispatch.ids import AccountId, DeviceId, PairId, TaskId


class Role(IntEnum):
    """What a device is; the numbers are DeviceKind's."""

    PHONE = 1
    HOST = 2


class Plan(StrEnum):
    """What an account's owner has agreed on with the operator. Which plans may pair is the operator's policy (P10)."""

    PRO = "pro"
    MAX = "max"
    TEAM = "team"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in."""

    account_id: AccountId
    name: str
    folded: str
    """The name by which it is found; unique."""
    password: str = field(repr=False)
    """Argon2id as PHC text; empty for one that signs in at a provider only."""
    created_ms: int
    plan: Plan = Plan.PRO


@dataclass(frozen=True, slots=True)
class Login:
    """Who somebody is at a provider of sign-ins (OpenID Connect Core, 2: issuer and subject)."""

    issuer: str
    subject: str
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody for whom a provider has vouched, and who may not have an account."""

    issuer: str
    subject: str
    name: str
    """What the provider calls them; empty if it does not say. Never a way into an account that has this name."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """The right to make one account."""

    code_hash: bytes = field(repr=False)
    expires_ms: int


@dataclass(frozen=True, slots=True)
class WebSession:
    """A browser that is signed in to the account page."""

    token_hash: bytes = field(repr=False)
    account_id: AccountId
    created_ms: int
    expires_ms: int


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
    app_version: str = ""
    """What it last said of its app."""
    seen_ms: int = 0
    """When it last called, to the minute."""
    revoked_ms: int | None = None
    """None while it may be used. A device that is revoked stays so: its key never comes in again."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in. A device has one at most."""

    device_id: DeviceId
    token_hash: bytes = field(repr=False)
    expires_ms: int
    rotated_ms: int
    """When the token was given out."""
    previous_hash: bytes | None = field(repr=False, default=None)
    """The token before, good until this one was used: an answer may get lost."""
    family: bytes = field(repr=False, default=b"")
    """What all its tokens begin with: one that is neither of the two was copied (sessions.py)."""


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
class TrustNews:
    """One thing that relays are told, for good: a pairing that is over, or a device that is revoked. Names no account."""

    sequence: int
    pair_id: PairId | None = None
    ended_by: Role | None = None
    """Which side ended the pairing; None for the service itself."""
    device_id: DeviceId | None = None
    digest: bytes = b""
    """Of this and of all that was told before it, 32 bytes: two services with the same one have told the same up to here."""

    def after(self, digest: bytes) -> TrustNews:
        """Give it with its own digest; `digest` is that of what was told right before it, empty for nothing."""
        kind, told = (1, self.pair_id) if self.pair_id is not None else (2, self.device_id or b"")
        place = self.sequence.to_bytes(8, "big") + bytes((kind, self.ended_by or 0))
        return replace(self, digest=sha256(digest + place + told).digest())


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What the servers may know of a task: ids, times, verdict, outcome, reason."""

    pair_id: PairId
    task_id: TaskId
    account_id: AccountId
    phone_id: DeviceId
    host_id: DeviceId
    posted_ms: int
    accepted: bool
    reason: int
    """A Reason; 0 for none."""
    outcome: int
    """An Outcome; 0 while it runs, and for one that was refused."""
    ended_ms: int
    """0 while it runs."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the service is, and may not forget: written at the first start."""

    service_name: str | None
    """Bound into QR codes and attestations."""
    sequence: int
    """The trust feed's count."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs grants, or did. The key itself is in a file; a start without it must fail."""

    number: int
    """Counted from 1."""
    key_id: bytes
    made_ms: int
    alone: bool
    """Whether the keys before it are believed no more, from its first moment on."""
