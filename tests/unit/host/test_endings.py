"""The loop that tells the pairing service of pairings that ended here: it ends when the host does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from dispatch.device.home import Home
from dispatch.ids import PairId
from dispatch_host.endings import keep_telling
from dispatch_host.journal import settings
from dispatch_host.owned import owning

from tests.support.waiting import until


class Counted(asyncio.Event):
    """An event that counts who waited for it."""

    waits = 0

    async def wait(self) -> Literal[True]:
        self.waits += 1
        return await super().wait()


async def test_it_ends_when_a_pairing_ends_in_the_moment_in_which_it_is_cancelled(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    with owning(home, plaintext=False) as owned:
        # Nobody is signed in, so it stays to be told, and is tried again after a while.
        await owned.journal.step(lambda tx: settings.add_ending(tx, PairId(b"p" * 16)))
        endings = Counted()
        telling = asyncio.create_task(keep_telling(owned, endings))
        await until(lambda: endings.waits)

        endings.set()
        telling.cancel()
        await until(lambda: telling.done() or endings.waits > 1)

        assert telling.cancelled()
