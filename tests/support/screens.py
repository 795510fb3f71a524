"""A screen as a test's fingers and eyes have it: an app itself, driven by Textual's pilot."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.support.waiting import DEADLINE_SECONDS

SMALLEST = (60, 20)
PICTURES = Path(__file__).resolve().parents[2] / "out" / "screens"
"""Where `picture` puts what a person would see; git ignores it."""


class Screen:
    """One app on one terminal."""

    def __init__(self, app: App[None], pilot: Pilot[None]) -> None:
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
            assert isinstance(focused, TextArea), focused
            focused.insert(words)
        await self.pilot.pause()

    def picture(self, name: str) -> None:
        """Keep what a person would see now."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.svg").write_text(self.app.export_screenshot(title=name))
