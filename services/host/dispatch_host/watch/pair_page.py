"""Pairing at the screen: the code as a picture, then the six digits, and the person's yes or no."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.cli import refusal_lines
from dispatch.plain import one_line
from dispatch.tui.choices import Choices
from dispatch.tui.keys import Keys
from dispatch.words import Words
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import OptionList, Static

from dispatch_host import phone_words, telling
from dispatch_host.qr import drawn

_BESIDE, _ABOVE_AND_BELOW = 4, 5
"""What else is in the window."""

Pair = Callable[[asyncio.Queue[bool]], AsyncIterator[pb.PairResponse]]


class PairPage(Screen[None]):
    """One ceremony. Leaving ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "back")]

    def __init__(self, pair: Pair, words: Words) -> None:
        super().__init__()
        self._pair = pair
        self._words = words
        self._answers: asyncio.Queue[bool] = asyncio.Queue()
        self._link = ""  # while it is to be scanned

    def compose(self) -> ComposeResult:
        yield Static(self._words.window("pair_a_phone"), id="head", markup=False)
        with VerticalScroll(id="body"):
            yield Static(id="picture", markup=False)
            yield Static(id="words", markup=False)
            yield Choices([self._words.window("same_yes"), self._words.window("no")])
        yield Keys(self._words)

    def on_mount(self) -> None:
        """Begin."""
        self.query_one(Choices).display = False
        self._run()

    @work
    async def _run(self) -> None:
        try:
            async for event in self._pair(self._answers):
                self._show(event)
        except errors.DispatchError as error:
            self._say("\n".join(refusal_lines(error, self._words)))

    def _show(self, event: pb.PairResponse) -> None:
        choices = self.query_one(Choices)
        match event.WhichOneof("event"):
            case "qr":
                self._link = event.qr.link
                self._draw()
            case "code":
                self._link = ""
                self._draw()
                same = self._words.window("same_code", peer=one_line(event.code.peer, 64))
                self._say(f"{same}  {event.code.code}\n{self._words.window('same_question')}")
                choices.display = True
                choices.focus()
            case "warning":
                self._warn(event.warning)
            case "ended":
                _, said, more = telling.pairing_ended(event.ended, self._words)
                self._link = ""
                self._draw()
                choices.display = False
                self._say(f"{said} {more}".rstrip())
            case _:
                pass

    def _warn(self, warning: pb.PairWarning) -> None:
        said = phone_words.pairing_warned(warning, self._words)
        if warning.retry_after_ms:  # the code is over, and nothing is to be answered
            self._link = ""
            self._draw()
            self._say(f"! {said.sentence} {said.advice}")
        else:
            self._say(f"! {said.sentence} {said.advice}\n{self._words.window('say_no')}")

    def on_resize(self) -> None:
        """Draw it anew: there may be room now."""
        if self._link:
            self._draw()

    def _draw(self) -> None:
        """Draw the code if it fits: half a code can't be scanned."""
        picture = self.query_one("#picture", Static)
        if not self._link:
            picture.update("")
            return
        lines = drawn(self._link).splitlines()
        width, height = max(map(len, lines)) + _BESIDE, len(lines) + _ABOVE_AND_BELOW
        if self.size.width >= width and self.size.height >= height:
            picture.update(Text("\n".join(lines), no_wrap=True))
            self._say(f"{self._words.window('scan')}\n{self._link}")
        else:
            picture.update("")
            smaller = self._words.window("no_room", width=str(width), height=str(height))
            self._say(f"{smaller}\n{self._link}")

    def _say(self, words: str) -> None:
        self.query_one("#words", Static).update(Text(words))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the answer."""
        self.query_one(Choices).display = False
        self._answers.put_nowait(event.option_index == 0)
