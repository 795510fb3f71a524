"""How much of what the host has to say has not arrived yet, looked at now and then for the metrics. Run by the app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from dispatch import errors

from dispatch_host.journal import Writer, outbox

LOOK_SECONDS = 5.0
"""As often as Prometheus is set up to ask (deploy/prometheus)."""


async def watch(journal: Writer, tell: Callable[[float], None], *, look_seconds: float = LOOK_SECONDS) -> None:
    """Tell how many rows wait for the relay's receipt, for ever."""
    while True:
        # A journal that can't be read is counted by itself, and looked at again.
        with contextlib.suppress(errors.StoreFailed):
            tell(await journal.step(outbox.count_all))
        await asyncio.sleep(look_seconds)
