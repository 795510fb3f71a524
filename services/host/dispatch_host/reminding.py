"""Tells the pairing service of pairings that it does not know any more: restored from a backup, it knows none made since.

A link asks the service only when it attaches and its grant is about to end, which may be a day away, and until then the phone
would be turned away as not paired. Run by the app, beside the links.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from dispatch import errors

from dispatch_host.journal import threads
from dispatch_host.owned import Owned
from dispatch_host.rights import Rights

REMIND_SECONDS = 1800.0
"""How often the service is asked, at most: it has many hosts."""


async def reminding(owned: Owned, *, every_seconds: float, chance: random.Random) -> None:
    """Remind it again and again, for ever; never two hosts of one start in step."""
    while True:
        await asyncio.sleep(chance.uniform(every_seconds / 2, every_seconds))
        with contextlib.suppress(errors.StoreFailed):
            await remind(owned)


async def remind(owned: Owned) -> None:
    """Ask for a grant of each pairing; whoever does not know it is told. What else the service says is the link's to hear."""
    for pairing in await owned.journal.step(threads.pairings):
        rights = Rights(owned.home, pairing, identity=owned.identity(), clock=owned.clock, plaintext=owned.plaintext)
        with contextlib.suppress(errors.DispatchError):
            await rights.right(fresh=True)
