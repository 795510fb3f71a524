"""Accounts and sign-ins: who may come in with which device. Called by service.py and the command line.

A device key belongs to one account and is one thing, phone or host. It may change either while in no active pairing.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace

from dispatch.clock import Clock
from dispatch.errors import (
    AccountExists,
    BadRequest,
    DispatchError,
    OtherAccount,
    RateLimited,
    SignInFailed,
    TooManyDevices,
)
from dispatch.ids import ID_BYTES, AccountId, DeviceId, Rng
from dispatch.names import LONGEST_DEVICE_NAME

from dispatch_pairing import offers
from dispatch_pairing.buckets import Buckets
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Account, Device, Role, SignIn
from dispatch_pairing.names import clean, fold
from dispatch_pairing.passwords import PASSWORD_BYTES_MOST, Passwords, acceptable
from dispatch_pairing.store import Repositories, Store

TOKEN_BYTES = 32
_NAME_CHARS = 2 * LONGEST_DEVICE_NAME  # longer than any account: what is cut off can only be wrong


def token_hash(token: bytes) -> bytes:
    """Give what is kept of a session token. It is 32 random bytes, so one SHA-256 is enough."""
    return hashlib.sha256(token).digest()


def live(sign_in: SignIn | None, token: bytes, *, now_ms: int) -> bool:
    """Say whether the token is that of this sign-in, and not over."""
    return (
        sign_in is not None
        and hmac.compare_digest(sign_in.token_hash, token_hash(token))
        and now_ms < sign_in.expires_ms
    )


@dataclass(frozen=True, slots=True)
class Arriving:
    """What a device says of itself to sign in. Its proof has been verified, nothing else."""

    device_id: DeviceId
    key: bytes
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Attempt(Arriving):
    """What a device says to sign in with a password."""

    account: str
    password: str = field(repr=False)
    address: str
    """Where the call came from, for counting failures."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a sign-in gave."""

    account_id: AccountId
    account: str
    """Its name."""
    token: bytes = field(repr=False)
    expires_ms: int


def admit(known: Device | None, wanted: Device, *, paired: bool, in_use: int, limits: Limits) -> DispatchError | None:
    """Decide whether a device may be in an account as what it says it is. Pure; None means yes."""
    if known is not None and paired and known.account_id != wanted.account_id:
        return OtherAccount("this device is paired in another account: unpair it first")
    if known is not None and paired and known.role != wanted.role:
        return BadRequest("this device key is paired as another kind of device", metadata={"field": "device_kind"})
    newcomer = known is None or known.account_id != wanted.account_id
    if newcomer and in_use >= limits.devices:
        policy = {"policy": "devices", "current": str(in_use), "required": f"fewer than {limits.devices}"}
        return TooManyDevices(metadata=policy)
    return None


class SignIns:
    """Signs devices in and out, and counts failures."""

    def __init__(self, *, store: Store, passwords: Passwords, clock: Clock, rng: Rng, limits: Limits) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._rng = rng
        self._limits = limits
        self._by_account = Buckets(limits.per_account, limit=limits.buckets)
        self._by_address = Buckets(limits.per_address, limit=limits.buckets)

    async def sign_in(self, attempt: Attempt) -> SignedIn:
        """Sign a device in. Raises SignInFailed, RateLimited, OtherAccount, TooManyDevices, BadRequest."""
        clean(attempt.name, field="device_name")  # before the password, which costs more
        return await self.let_in(await self._account_of(attempt), attempt)

    async def let_in(self, account: Account, arriving: Arriving) -> SignedIn:
        """Sign a device in to an account that its person has shown to be theirs, in whatever way.

        Raises OtherAccount, TooManyDevices, BadRequest.
        """
        name = clean(arriving.name, field="device_name")
        now_ms = self._clock.wall_ms()
        token = self._rng(TOKEN_BYTES)
        wanted = Device(
            device_id=arriving.device_id,
            account_id=account.account_id,
            key=arriving.key,
            role=arriving.role,
            name=name,
            created_ms=now_ms,
        )
        async with self._store.write() as kept:
            known = await kept.devices.get(wanted.device_id)
            refusal = admit(
                known,
                wanted,
                paired=await kept.pairings.has_active(wanted.device_id),
                in_use=await kept.devices.count_in_use(account.account_id, now_ms=now_ms),
                limits=self._limits,
            )
            if refusal is not None:
                raise refusal
            if known is not None:
                wanted = replace(wanted, created_ms=known.created_ms)
                if (known.account_id, known.role) != (wanted.account_id, wanted.role):
                    await _drop_offers(kept, known.device_id, now_ms=now_ms)
            await kept.devices.put(wanted)
            expires_ms = now_ms + self._limits.sign_in_ms
            await kept.devices.put_sign_in(
                SignIn(
                    device_id=wanted.device_id, token_hash=token_hash(token), expires_ms=expires_ms, rotated_ms=now_ms
                )
            )
        return SignedIn(account_id=account.account_id, account=account.name, token=token, expires_ms=expires_ms)

    async def sign_out(self, device: Device, token: bytes) -> None:
        """End the device's sign-in, if the token is its. Otherwise it is over already, and nothing happens."""
        async with self._store.write() as kept:
            sign_in = await kept.devices.sign_in(device.device_id)
            if live(sign_in, token, now_ms=self._clock.wall_ms()):
                await kept.devices.end_sign_in(device.device_id)

    async def _account_of(self, attempt: Attempt) -> Account:
        # Unknown names are counted and checked like known ones: neither an answer nor its time tells them apart.
        folded = fold(attempt.account[:_NAME_CHARS])
        buckets = ((self._by_account, folded), (self._by_address, attempt.address))
        steady_ms = self._clock.steady_ms()
        taken: list[tuple[Buckets, str]] = []
        for bucket, name in buckets:
            wait_ms = bucket.take(name, now_ms=steady_ms)
            if wait_ms:
                for other, other_name in taken:
                    other.give_back(other_name)
                raise RateLimited("too many failed sign-ins", retry_after_ms=wait_ms)
            taken.append((bucket, name))
        async with self._store.read() as kept:
            account = await kept.accounts.find(folded)
        too_long = len(attempt.password.encode("utf-8", "surrogatepass")) > PASSWORD_BYTES_MOST
        password = "" if too_long else attempt.password
        # Who signs in at a provider only has no password, and the same answer as a name that nobody has.
        stored = None if account is None else account.password or None
        if not await self._passwords.fits(password, stored) or account is None:
            raise SignInFailed
        for bucket, name in buckets:
            bucket.give_back(name)
        return account


async def _drop_offers(kept: Repositories, host_id: DeviceId, *, now_ms: int) -> None:
    for offer in await kept.offers.unfinished_of_host(host_id):
        await kept.offers.put(offers.supersede(offer, now_ms=now_ms))


async def add(name: str, password: str, *, store: Store, passwords: Passwords, clock: Clock, rng: Rng) -> Account:
    """Make an account. Raises BadRequest for a name or password that won't do, AccountExists."""
    name = clean(name, field="name")
    account = Account(
        account_id=AccountId(rng(ID_BYTES)),
        name=name,
        folded=fold(name),
        password=await passwords.hash(acceptable(password)),
        created_ms=clock.wall_ms(),
    )
    async with store.write() as kept:
        if not await kept.accounts.add(account):
            raise AccountExists
    return account
