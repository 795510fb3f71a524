"""Signs a device in whose key was revoked: as a new device, with nothing left of what it was.

A key that was revoked never comes in again, and what it was paired with is over at the service. Called by `login` of phone and
host; how the device signs in is the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from dispatch import errors
from dispatch.device.keys import KeyStore
from dispatch.device.sign_in import start_over

T = TypeVar("T")


async def signed_in_afresh(
    sign_in: Callable[[], Awaitable[T]], *, store: KeyStore, drop_pairings: Callable[[], Awaitable[None]]
) -> T:
    """Sign in; when the service says that this device's key was revoked, drop all it had and sign in with a new key.

    Only the service that the person has just named is believed in that. A crash in between is made good by the next try.
    """
    try:
        return await sign_in()
    except errors.DeviceRevoked:
        await drop_pairings()
        # The key last: as long as it is there, the next try comes this way again.
        start_over(store)
        return await sign_in()
