"""What the owner of an account sees of it and may change: its devices, its tasks. Called by the account page.

Another account's device is unknown here: no answer tells whether it exists.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dispatch.clock import Clock
from dispatch.errors import BadRequest, DeviceUnknown, SignInFailed
from dispatch.ids import ID_BYTES, AccountId, DeviceId, OfferId, TaskId

from dispatch_pairing import offers
from dispatch_pairing.accounts import SignIns
from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Account, Device, TaskRecord
from dispatch_pairing.names import clean
from dispatch_pairing.passwords import Passwords, acceptable
from dispatch_pairing.revocation import end_pairing, revoke_device
from dispatch_pairing.store import Repositories, Store

_MOST_MS = 2**53
_PLACE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Listed:
    """A device as its owner sees it."""

    device: Device
    signed_in: bool
    paired_with: Sequence[DeviceId]
    """The other ends of its active pairings."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of an account's tasks, newest first."""

    tasks: Sequence[TaskRecord]
    next_token: str
    """For the page behind; empty at the end."""


class Devices:
    """The devices of accounts."""

    def __init__(self, *, store: Store, bell: Bell, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._metrics = metrics

    async def list(self, account_id: AccountId) -> Sequence[Listed]:
        """List the account's devices, oldest first, those that are revoked included."""
        now_ms = self._clock.wall_ms()
        async with self._store.read() as kept:
            pairings = await kept.pairings.active_of_account(account_id)
            found = []
            for device in await kept.devices.of_account(account_id):
                sign_in = await kept.devices.sign_in(device.device_id)
                others = [
                    one.phone_id if one.host_id == device.device_id else one.host_id
                    for one in pairings
                    if one.role_of(device.device_id) is not None
                ]
                signed_in = sign_in is not None and now_ms < sign_in.expires_ms
                found.append(Listed(device=device, signed_in=signed_in, paired_with=others))
        return found

    async def rename(self, account_id: AccountId, device_id: DeviceId, name: str) -> None:
        """Call a device something else. Raises DeviceUnknown, BadRequest."""
        name = clean(name, field="name")
        async with self._store.write() as kept:
            await kept.devices.put(replace(await _mine(kept, account_id, device_id), name=name))

    async def revoke(self, account_id: AccountId, device_id: DeviceId) -> bool:
        """End all rights of a device; gives False for one that was revoked before. Raises DeviceUnknown."""
        now_ms = self._clock.wall_ms()
        async with self._store.write() as kept:
            device = await _mine(kept, account_id, device_id)
            paired = len(await kept.pairings.active_of(device_id))
            offered = await end_offers(kept, device, now_ms=now_ms)
            revoked = await revoke_device(kept, device, now_ms=now_ms)
        for _ in range(paired):
            self._metrics.ended()
        for topic in (TRUST, *offered):
            self._bell.ring(topic)
        return revoked


class Credentials:
    """Checks passwords, and changes them."""

    def __init__(self, *, store: Store, sign_ins: SignIns, passwords: Passwords) -> None:
        self._store = store
        self._sign_ins = sign_ins
        self._passwords = passwords

    async def check(self, name: str, password: str, *, address: str) -> Account:
        """Give the account that has this name and password. Raises SignInFailed, RateLimited."""
        return await self._sign_ins.account_of(name, password, address=address)

    async def change_password(
        self, account_id: AccountId, old: str, new: str, *, address: str, keep: DeviceId | None
    ) -> None:
        """Set another password; all sign-ins and web sessions of the account end, but that of one device.

        Raises BadRequest for a new password that won't do, SignInFailed for a wrong old one, RateLimited.
        """
        acceptable(new)
        async with self._store.read() as kept:
            named = await kept.accounts.get(account_id)
        if named is None:
            raise SignInFailed
        account = await self.check(named.name, old, address=address)
        hashed = await self._passwords.hash(new)
        async with self._store.write() as kept:
            if not still(await kept.accounts.get(account_id), account):
                raise SignInFailed
            await kept.accounts.put(replace(account, password=hashed))
            await kept.devices.end_sign_ins(account_id, but=keep)
            await kept.accounts.end_web_sessions(account_id)


def still(now: Account | None, checked: Account) -> bool:
    """Say whether an account is as it was when its password was checked: not erased, and with the same password."""
    return now is not None and now.password == checked.password


class History:
    """What is known of tasks."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def page(self, account_id: AccountId, *, token: str, size: int) -> Page:
        """Give a page of tasks, newest first. Raises BadRequest for a token that was never given."""
        before = _read_token(token)
        async with self._store.read() as kept:
            found = await kept.history.of_account(account_id, before=before, limit=size + 1)
        shown = found[:size]
        return Page(tasks=shown, next_token=_token(shown[-1]) if len(found) > size else "")


def _token(record: TaskRecord) -> str:
    return base64.urlsafe_b64encode(record.posted_ms.to_bytes(_PLACE_BYTES, "big") + record.task_id).decode()


def _read_token(token: str) -> tuple[int, TaskId] | None:
    if not token:
        return None
    try:
        place = base64.urlsafe_b64decode(token.encode())
    except (binascii.Error, ValueError) as failure:
        raise BadRequest("not a page of this list", metadata={"field": "page_token"}) from failure
    posted_ms = int.from_bytes(place[:_PLACE_BYTES], "big")
    if len(place) != _PLACE_BYTES + ID_BYTES or posted_ms >= _MOST_MS:
        raise BadRequest("not a page of this list", metadata={"field": "page_token"})
    return posted_ms, TaskId(place[_PLACE_BYTES:])


async def _mine(kept: Repositories, account_id: AccountId, device_id: DeviceId) -> Device:
    device = await kept.devices.get(device_id)
    if device is None or device.account_id != account_id:
        raise DeviceUnknown
    return device


async def end_offers(kept: Repositories, device: Device, *, now_ms: int) -> list[OfferId]:
    """End what a host offers; gives whom to ring for."""
    unfinished = await kept.offers.unfinished_of_host(device.device_id)
    for offer in unfinished:
        await kept.offers.put(offers.supersede(offer, now_ms=now_ms))
    return [offer.offer_id for offer in unfinished]


async def erase(kept: Repositories, account: Account, *, now_ms: int) -> int:
    """Erase an account: its pairings end, its devices are revoked, then every row that names it goes. Gives the pairings ended.

    Whoever calls this rings the bell for the trust feed when it is committed.
    """
    ended = 0
    for pairing in await kept.pairings.active_of_account(account.account_id):
        await end_pairing(kept, pairing, by=None)
        ended += 1
    for device in await kept.devices.of_account(account.account_id):
        await revoke_device(kept, device, now_ms=now_ms)
    await kept.accounts.erase(account.account_id)
    return ended
