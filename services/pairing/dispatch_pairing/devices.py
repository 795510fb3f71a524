"""What an account's owner sees of its devices and may do with them: list, rename, revoke. Called by api/ and the web page.

Whoever calls has found out whose account it is. A device of another account is answered as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.clock import Clock
from dispatch.errors import DeviceUnknown
from dispatch.ids import AccountId, DeviceId

from dispatch_pairing import offers
from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Device, Pairing, Role
from dispatch_pairing.names import clean
from dispatch_pairing.offers import Offer
from dispatch_pairing.revocation import revoke_device
from dispatch_pairing.store import Repositories, Store


@dataclass(frozen=True, slots=True)
class Listed:
    """A device as its owner sees it."""

    device: Device
    signed_in: bool
    paired_with: Sequence[DeviceId]
    """The other ends of its active pairings."""


def paired_with(pairings: Iterable[Pairing]) -> Mapping[DeviceId, Sequence[DeviceId]]:
    """Say of each device which are the other ends of its pairings. Pure."""
    others: dict[DeviceId, list[DeviceId]] = {}
    for pairing in pairings:
        others.setdefault(pairing.host_id, []).append(pairing.phone_id)
        others.setdefault(pairing.phone_id, []).append(pairing.host_id)
    return others


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
            others = paired_with(await kept.pairings.active_of_account(account_id))
            signed_in = await kept.devices.signed_in(account_id, now_ms=now_ms)
            return [
                Listed(
                    device=device,
                    signed_in=device.device_id in signed_in,
                    paired_with=others.get(device.device_id, ()),
                )
                for device in await kept.devices.of_account(account_id)
            ]

    async def rename(self, account_id: AccountId, device_id: DeviceId, name: str) -> None:
        """Call a device something else. Raises DeviceUnknown, BadRequest."""
        name = clean(name, field="name")
        async with self._store.write() as kept:
            await kept.devices.put(replace(await _mine(kept, account_id, device_id), name=name))

    async def revoke(self, account_id: AccountId, device_id: DeviceId) -> bool:
        """End all rights of a device, and tell relays; gives False for one that was revoked before. Raises DeviceUnknown."""
        now_ms = self._clock.wall_ms()
        async with self._store.write() as kept:
            device = await _mine(kept, account_id, device_id)
            pairings = await kept.pairings.active_of(device_id)
            revoked = await revoke_device(kept, device, now_ms=now_ms)
            offered = await self._end_offers(kept, device, now_ms=now_ms) if revoked else []
        if revoked:
            self._metrics.revoked(pairings=len(pairings))
            self._bell.ring(TRUST)
            for was, now in offered:
                self._metrics.offer_changed(was, now)
                self._bell.ring(was.offer_id)
        return revoked

    async def _end_offers(self, kept: Repositories, device: Device, *, now_ms: int) -> Sequence[tuple[Offer, Offer]]:
        # A phone in the middle of a ceremony is stopped where the pairing would be completed.
        unfinished = await kept.offers.unfinished_of_host(device.device_id) if device.role is Role.HOST else []
        ended = [(offer, offers.end(offer, Reason.REASON_OFFER_EXPIRED, now_ms=now_ms).offer) for offer in unfinished]
        for _, after in ended:
            await kept.offers.put(after)
        return ended


async def _mine(kept: Repositories, account_id: AccountId, device_id: DeviceId) -> Device:
    device = await kept.devices.get(device_id)
    if device is None or device.account_id != account_id:
        raise DeviceUnknown
    return device
