"""A phone's screen in a test: on a home, and real services."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.words import Language, Words
from mobile_sim.desk import opened_desk
from mobile_sim.patience import USUAL, Patience
from mobile_sim.tui.at_desk import AtDesk
from mobile_sim.tui.composer import Composer
from mobile_sim.tui.phone_app import PhoneApp

from tests.support.screens import SMALLEST, Screen
from tests.support.seeded_phone import MOST_BYTES


class PhoneScreen(Screen):
    """The screen of one phone."""

    async def send(self, words: str) -> None:
        """Write a task and send it."""
        self.app.query_one(Composer).focus()
        await self.pilot.pause()
        await self.write(words)
        await self.press("enter")


@contextlib.asynccontextmanager
async def phone_screen(
    home: str | Path,
    *,
    patience: Patience = USUAL,
    size: tuple[int, int] = SMALLEST,
    language: Language = Language.ENGLISH,
) -> AsyncIterator[PhoneScreen]:
    """Open the screen on a home, and leave it as a person does."""
    at = Home(Path(home))

    def open_desk() -> Any:
        return opened_desk(at, clock=SystemClock(), rng=os.urandom, plaintext=False, patience=patience)

    app = PhoneApp(AtDesk(at, open_desk=open_desk, words=Words.of(language)), most_bytes=MOST_BYTES)
    async with app.run_test(size=size) as pilot:
        yield PhoneScreen(app, pilot)
        await app.action_quit()
