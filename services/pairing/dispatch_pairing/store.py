"""What the service asks of its store. `check_repository` in tests/support is the suite that every implementation runs.

A transaction is all or nothing, and writers come one after the other: a rule may read, decide and write without being
overtaken. Ids that exist are an error of the caller unless the method says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from dispatch.ids import AccountId, DeviceId, OfferId, PairId, TaskId

from dispatch_pairing.model import (
    Account,
    Device,
    Identity,
    Invitation,
    Login,
    Pairing,
    SignIn,
    SigningKey,
    TaskRecord,
    TrustNews,
    WebSession,
)
from dispatch_pairing.offers import Offer


class Accounts(Protocol):
    """Who may sign in."""

    async def add(self, account: Account) -> bool:
        """Keep a new account; gives False when one with the same folded name exists."""

    async def find(self, folded: str) -> Account | None:
        """Find an account by its folded name."""

    async def get(self, account_id: AccountId) -> Account | None:
        """Find an account."""

    async def put(self, account: Account) -> None:
        """Keep an account that is there as it is now."""

    async def all(self) -> Sequence[Account]:
        """List all accounts by name."""

    async def erase(self, account_id: AccountId) -> None:
        """Forget the account and every row that names it or one of its devices. What relays were told stays told."""

    async def login(self, issuer: str, subject: str) -> Login | None:
        """Find who somebody is here, by who they are at a provider."""

    async def put_login(self, login: Login) -> None:
        """Keep it."""

    async def logins(self, account_id: AccountId) -> Sequence[Login]:
        """List the account's logins."""

    async def add_invitation(self, invitation: Invitation) -> None:
        """Keep an invitation."""

    async def take_invitation(self, code_hash: bytes, *, now_ms: int) -> bool:
        """Use an invitation up; gives False for one that is unknown, used or over."""

    async def forget_invitations(self, *, now_ms: int, limit: int) -> int:
        """Forget those that are over, so many at most; gives how many they were."""

    async def add_web_session(self, session: WebSession) -> None:
        """Keep a browser's session."""

    async def web_session(self, token_hash: bytes) -> WebSession | None:
        """Find it, over or not."""

    async def web_sessions(self, account_id: AccountId) -> Sequence[WebSession]:
        """List the account's, oldest first."""

    async def end_web_session(self, token_hash: bytes) -> None:
        """Forget it, if it is there."""

    async def end_web_sessions(self, account_id: AccountId) -> None:
        """Forget all of the account."""

    async def forget_web_sessions(self, *, now_ms: int, limit: int) -> int:
        """Forget those that are over, so many at most; gives how many they were."""


class Devices(Protocol):
    """Device keys and their sign-ins."""

    async def get(self, device_id: DeviceId) -> Device | None:
        """Find a device."""

    async def put(self, device: Device) -> None:
        """Keep a device as it is now."""

    async def count_in_use(self, account_id: AccountId, *, now_ms: int) -> int:
        """Count the account's devices that are signed in or in an active pairing."""

    async def of_account(self, account_id: AccountId) -> Sequence[Device]:
        """List the account's devices, oldest first, those that are revoked included."""

    async def sign_in(self, device_id: DeviceId) -> SignIn | None:
        """Find the device's sign-in."""

    async def signed_in(self, account_id: AccountId, *, now_ms: int) -> Set[DeviceId]:
        """Say which devices of the account have a sign-in that is not over."""

    async def put_sign_in(self, sign_in: SignIn) -> None:
        """Keep a sign-in; the device's earlier one is over."""

    async def end_sign_in(self, device_id: DeviceId) -> None:
        """Forget the device's sign-in, if there is one."""

    async def forget_sign_ins(self, *, now_ms: int, limit: int) -> int:
        """Forget those that are over, so many at most; gives how many they were."""

    async def end_sign_ins(self, account_id: AccountId, *, but: DeviceId | None = None) -> None:
        """Forget all sign-ins of the account's devices, but that one's."""


class Offers(Protocol):
    """Offers and the opaque steps that were left in them."""

    async def get(self, offer_id: OfferId) -> Offer | None:
        """Find an offer."""

    async def put(self, offer: Offer) -> None:
        """Keep an offer as it is now."""

    async def of_host_since(self, host_id: DeviceId, since_ms: int) -> Sequence[Offer]:
        """List the host's offers made at that time or later, oldest first."""

    async def unfinished_of_host(self, host_id: DeviceId) -> Sequence[Offer]:
        """List the host's offers that are kept as open or claimed (their time may be over)."""

    async def steps(self, offer_id: OfferId) -> dict[int, bytes]:
        """Give the steps left so far, by number."""

    async def add_step(self, offer_id: OfferId, number: int, payload: bytes) -> None:
        """Keep a step."""

    async def forget_before(self, created_ms: int, *, limit: int) -> int:
        """Drop offers made before that time, with their steps, so many at most; gives how many they were."""


class Pairings(Protocol):
    """Who may speak to whom, and who no longer."""

    async def get(self, pair_id: PairId) -> Pairing | None:
        """Find a pairing, also one that is over."""

    async def put(self, pairing: Pairing) -> None:
        """Keep a pairing as it is now."""

    async def active_between(self, host_id: DeviceId, phone_id: DeviceId) -> Pairing | None:
        """Find the active pairing of these two devices; there is one at most."""

    async def has_active(self, device_id: DeviceId) -> bool:
        """Say whether the device is in an active pairing."""

    async def count_active(self) -> int:
        """Count the active pairings."""

    async def active_of(self, device_id: DeviceId) -> Sequence[Pairing]:
        """List the active pairings that the device is in."""

    async def active_of_account(self, account_id: AccountId) -> Sequence[Pairing]:
        """List the active pairings of the account."""

    async def of_account(self, account_id: AccountId) -> Sequence[Pairing]:
        """List the pairings of the account, oldest first, those that are over included."""

    async def farewells_of(self, device_id: DeviceId) -> Sequence[PairId]:
        """List the pairings that the device said goodbye to and that nobody knew, oldest first."""

    async def add_farewell(self, pair_id: PairId, device_id: DeviceId, *, at_ms: int, keep: int) -> None:
        """Note that the device said goodbye to a pairing that nobody knows; the newest `keep` of its notes stay."""

    async def farewell(self, pair_id: PairId, devices: Sequence[DeviceId]) -> bool:
        """Say whether one of the devices said goodbye to this pairing."""


class Feed(Protocol):
    """What relays are told, in the order of its count, for good."""

    async def append(self, news: TrustNews) -> None:
        """Keep one thing more; its sequence is higher than any before."""

    async def digest(self, sequence: int) -> bytes:
        """Give the digest of the last that was told up to this place in the count; empty where nothing was."""

    async def since(self, sequence: int, *, limit: int) -> Sequence[TrustNews]:
        """List what was told after this place in the count, in order."""

    async def has_ended(self, pair_id: PairId) -> bool:
        """Say whether relays were told that this pairing is over."""

    async def has_revoked(self, device_id: DeviceId) -> bool:
        """Say whether relays were told that this device is revoked."""


class History(Protocol):
    """What may be known of tasks."""

    async def get(self, pair_id: PairId, task_id: TaskId) -> TaskRecord | None:
        """Find a task."""

    async def put(self, record: TaskRecord) -> None:
        """Keep a task as it is known now."""

    async def of_account(
        self, account_id: AccountId, *, before: tuple[int, TaskId] | None, limit: int
    ) -> Sequence[TaskRecord]:
        """List the account's tasks, newest first, from behind this (posted_ms, task_id) on."""

    async def forget_before(self, posted_ms: int, *, limit: int) -> int:
        """Drop tasks posted before that time, so many at most; gives how many they were."""


class Service(Protocol):
    """What the service itself is."""

    async def identity(self) -> Identity:
        """Give it."""

    async def put_identity(self, identity: Identity) -> None:
        """Keep it."""

    async def signing_keys(self) -> Sequence[SigningKey]:
        """List the keys that sign grants, or did, oldest first."""

    async def add_signing_key(self, key: SigningKey) -> None:
        """Keep a new one."""


@dataclass(frozen=True, slots=True)
class Repositories:
    """Everything kept, inside one transaction."""

    service: Service
    accounts: Accounts
    devices: Devices
    offers: Offers
    pairings: Pairings
    feed: Feed
    history: History


class Store(Protocol):
    """Opens transactions. Every failure of the storage itself leaves as errors.StoreFailed, without values."""

    def read(self) -> AbstractAsyncContextManager[Repositories]:
        """Open a transaction that only reads: one moment of the store."""

    def write(self) -> AbstractAsyncContextManager[Repositories]:
        """Open a transaction that may write. It is kept, durably, when the block ends without an exception."""

    async def close(self) -> None:
        """Give everything back."""
