"""A phone's screen as a test's fingers and eyes have it: the app itself, driven by Textual's pilot, on a home and real services."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dispatch.clock import SystemClock
from dispatch.device.home import Home
from mobile_sim.desk import opened_desk
from mobile_sim.patience import USUAL, Patience
from mobile_sim.tui.at_desk import AtDesk
from mobile_sim.tui.composer import Composer
from mobile_sim.tui.phone_app import PhoneApp
from textual.pilot import Pilot
from textual.widgets import Input

from tests.support.seeded_phone import MOST_BYTES
from tests.support.waiting import DEADLINE_SECONDS

SMALLEST = (60, 20)
PICTURES = Path(__file__).resolve().parents[2] / "out" / "screens"
"""Where `picture` puts what a person would see; git ignores it."""


class PhoneScreen:
    """The screen of one phone."""

    def __init__(self, app: PhoneApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    def text(self) -> str:
        """Read the screen as a person does: the signs that are on it, and none of those that are scrolled away."""
        return "\n".join(
            "".join(segment.text for segment in strip).rstrip() for strip in self.app.screen._compositor.render_strips()
        )

    async def shows(self, *words: str) -> None:
        """Wait until all of these are on the screen at once."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not all(word in self.text() for word in words):
                    await self.pilot.pause(0.01)
        except TimeoutError:
            raise AssertionError(f"{words} is not on the screen:\n{self.text()}") from None

    async def shows_no_more(self, words: str) -> None:
        """Wait until these are not on the screen."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while words in self.text():
                    await self.pilot.pause(0.01)
        except TimeoutError:
            raise AssertionError(f"{words!r} is still on the screen:\n{self.text()}") from None

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)

    async def write(self, words: str) -> None:
        """Write where the cursor stands, as a terminal pastes."""
        focused = self.app.focused
        if isinstance(focused, Input):
            focused.insert_text_at_cursor(words)
        else:
            assert isinstance(focused, Composer), focused
            focused.insert(words)
        await self.pilot.pause()

    async def send(self, words: str) -> None:
        """Write a task and send it."""
        self.app.query_one(Composer).focus()
        await self.write(words)
        await self.press("enter")

    def picture(self, name: str) -> None:
        """Keep what a person would see now."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.svg").write_text(self.app.export_screenshot(title=name))


@contextlib.asynccontextmanager
async def phone_screen(
    home: str | Path, *, patience: Patience = USUAL, size: tuple[int, int] = SMALLEST
) -> AsyncIterator[PhoneScreen]:
    """Open the screen on a home, and leave it as a person does."""
    at = Home(Path(home))

    def open_desk() -> Any:
        return opened_desk(at, clock=SystemClock(), rng=os.urandom, plaintext=False, patience=patience)

    app = PhoneApp(AtDesk(at, open_desk=open_desk), most_bytes=MOST_BYTES)
    async with app.run_test(size=size) as pilot:
        yield PhoneScreen(app, pilot)
        await app.action_quit()
