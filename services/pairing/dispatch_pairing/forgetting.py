"""Forgets what is over, whether or not anybody comes by: a service that is asked nothing any more keeps nothing for that.

Run by app.py for as long as the service does. Several services on one database all do it; twice is as good as once.
docs/retention.md is the table of what is kept how long.
"""

from __future__ import annotations

import contextlib

from dispatch.clock import Clock
from dispatch.errors import Draining, StoreFailed
from dispatch.runtime.logs import get_logger

from dispatch_pairing.bell import Bell
from dispatch_pairing.limits import Limits
from dispatch_pairing.store import Store

_TOPIC = b"forgetting"
"""Rung by nobody: the bell ends the wait when the service closes."""

_log = get_logger()


async def forget(store: Store, *, now_ms: int, limits: Limits, bell: Bell) -> None:
    """Forget everything whose time is over, `forget_rows` of each kind in one transaction, until the bell closes.

    Raises StoreFailed.
    """
    most = limits.forget_rows  # others write between
    left = True
    while left and not bell.closed:
        async with store.write() as kept:
            gone = (
                await kept.offers.forget_before(now_ms - limits.offer_kept_ms, limit=most),
                await kept.accounts.forget_invitations(now_ms=now_ms, limit=most),
                await kept.accounts.forget_web_sessions(now_ms=now_ms, limit=most),
                await kept.devices.forget_sign_ins(now_ms=now_ms, limit=most),
                await kept.history.forget_before(now_ms - limits.history_ms, limit=most),
            )
        left = max(gone) >= most


async def forgetting(store: Store, *, clock: Clock, limits: Limits, bell: Bell) -> None:
    """Forget at the start and every `forget_ms`, until the bell closes."""
    with bell.listen(_TOPIC) as ear, contextlib.suppress(Draining):
        while True:
            ear.clear()
            try:
                await forget(store, now_ms=clock.wall_ms(), limits=limits, bell=bell)
            except StoreFailed as failure:
                _log.warning("what is over could not be forgotten", detail=failure.detail)
            await ear.wait(at_most_ms=limits.forget_ms)
