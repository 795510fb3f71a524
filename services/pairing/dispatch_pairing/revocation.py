"""What ends for good: pairings and devices. Every ending goes through here, so that relays hear of each, in one count.

Functions over a transaction of the store; whoever calls them rings the bell when it is committed.
"""

from __future__ import annotations

from dataclasses import replace

from dispatch_pairing.model import Device, Pairing, Role, TrustNews
from dispatch_pairing.store import Repositories


async def end_pairing(kept: Repositories, pairing: Pairing, *, by: Role | None) -> None:
    """End an active pairing. `by` is the side that did so, or None for the service itself."""
    news = TrustNews(sequence=await _next_sequence(kept), pair_id=pairing.pair_id, ended_by=by)
    await kept.pairings.put(replace(pairing, ended_sequence=news.sequence, ended_by=by))
    await _tell(kept, news)


async def revoke_device(kept: Repositories, device: Device, *, now_ms: int) -> bool:
    """End a device's sign-in and its rights, then each of its pairings; gives False for one that is revoked already."""
    if device.revoked_ms is not None:
        return False
    await kept.devices.put(replace(device, revoked_ms=now_ms))
    await kept.devices.end_sign_in(device.device_id)
    # The device first: its own streams end as revoked, not as unpaired.
    await _tell(kept, TrustNews(sequence=await _next_sequence(kept), device_id=device.device_id))
    for pairing in await kept.pairings.active_of(device.device_id):
        await end_pairing(kept, pairing, by=device.role)
    return True


async def _tell(kept: Repositories, news: TrustNews) -> None:
    await kept.feed.append(news.after(await kept.feed.digest(news.sequence)))


async def _next_sequence(kept: Repositories) -> int:
    identity = await kept.service.identity()
    counted = replace(identity, sequence=identity.sequence + 1)
    await kept.service.put_identity(counted)
    return counted.sequence
