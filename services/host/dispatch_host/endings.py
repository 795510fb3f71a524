"""Pairings that end on either side: the pairing service is told of those that ended here, and those that it ended are dropped.

Called by the front desk; the loops are of a running host, run by the app.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from dispatch import errors
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn
from dispatch.runtime.logs import get_logger

from dispatch_host.fleet import Fleet
from dispatch_host.journal import settings
from dispatch_host.journal.values import Pairing
from dispatch_host.owned import Owned

TELL_SECONDS = 3.0
_ENDINGS_SECONDS = 30.0
_DROP_AGAIN_SECONDS = 5.0

_LOG = get_logger()


async def tell_endings(owned: Owned) -> bool:
    """Tell the pairing service of pairings that ended here; False when some are still to be told."""
    endings = await owned.journal.step(settings.endings)
    if not endings:
        return True
    signed_in = SignIn.load(owned.home)
    if signed_in is None:
        return False
    try:
        async with (
            asyncio.timeout(TELL_SECONDS),
            PairingClient(
                server=signed_in.server,
                identity=owned.identity(),
                dialler=signed_in.dialler(plaintext=owned.plaintext),
            ) as client,
        ):
            for pair_id in endings:
                await client.end_pairing(pair_id)
                await owned.journal.step(partial(settings.told_ending, pair_id))
    except (errors.DispatchError, TimeoutError):
        return False
    return True


async def keep_telling(owned: Owned, endings: asyncio.Event) -> None:
    """Tell the pairing service of pairings that ended here, until it knows."""
    while True:
        endings.clear()
        told = await tell_endings(owned)
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it loses a cancellation that comes just as it ends.
            async with asyncio.timeout(None if told else _ENDINGS_SECONDS):
                await endings.wait()


async def drop_what_is_over(
    fleet: Fleet,
    *,
    drop: Callable[[Pairing], Awaitable[None]],
    revoked: Callable[[errors.DeviceRevoked], None],
    over: Callable[[Pairing], None],
) -> None:
    """Drop each pairing that is over, and tell so with `over`; end with `revoked` when this host is no device any more."""
    while True:
        heard = await fleet.over.get()
        if isinstance(heard.word, errors.DeviceRevoked):
            revoked(heard.word)
            return
        try:
            await drop(heard.pairing)
        except errors.StoreFailed as failure:
            _LOG.error("pairing that is over can't be dropped", detail=failure.detail)
            await asyncio.sleep(_DROP_AGAIN_SECONDS)
            await fleet.over.put(heard)
            continue
        over(heard.pairing)
        _LOG.info("pairing over", pairing=heard.pairing.pair_id)
