"""Lets go of changes that are too old to be undone, also on a computer where nothing is changed any more. Run by the app."""

from __future__ import annotations

import asyncio

from dispatch.runtime.logs import get_logger

from dispatch_host.changes.record import Busy, Records

FORGOTTEN_EVERY_SECONDS = 3600.0

_LOG = get_logger()


async def forgetting(records: Records) -> None:
    """Forget at the start and every hour, for ever."""
    while True:
        try:
            await asyncio.to_thread(_forget, records)
        except OSError as failure:
            _LOG.warning("old changes could not be forgotten", detail=failure.strerror or "")
        await asyncio.sleep(FORGOTTEN_EVERY_SECONDS)


def _forget(records: Records) -> None:
    try:
        with records.alone():
            records.forget_old()
    except Busy:
        return  # a change is being made, which forgets what is too old itself
