"""The host as a screen: looks every second, and shows the view that the person chose."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

from dispatch import errors
from dispatch.cli import refusal_lines
from dispatch.tui.keys import Keys
from dispatch.words import ENGLISH, Words
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from dispatch_host import phone_words, telling
from dispatch_host.watch import views
from dispatch_host.watch.looking import Look, Looking
from dispatch_host.watch.pair_page import PairPage

LOOK_SECONDS = 1.0


class HostApp(App[None]):
    """One host on one terminal."""

    TITLE = "Dispatch"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #head { height: auto; padding: 0 1; text-style: bold; border-bottom: solid ansi_bright_black; }
    #body { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    #body Static { height: auto; }
    #words { padding: 1 0; }
    Choices { height: auto; border: none; background: ansi_default; }
    Footer { background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('now')", "now"),
        Binding("2", "view('thread')", "thread"),
        Binding("3", "view('files')", "files"),
        Binding("4", "view('history')", "history"),
        Binding("n", "next_phone", "next_phone"),
        Binding("p", "pair", "pair"),
        Binding("q,ctrl+q", "quit", "quit", priority=True),
    ]

    def __init__(self, looking: Looking, words: Words = ENGLISH) -> None:
        super().__init__(ansi_color=True)
        # Fixed after __init__.
        self._words = words
        self._looking = looking
        # What was seen last, and what of the thread was read for which tasks.
        self._look: Look | None = None
        self._events: Sequence[bytes] = ()
        self._read_for: object = None
        # What the person chose.
        self._wake = asyncio.Event()
        self._view = "now"
        self._phone = 0

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        with VerticalScroll(id="body"):
            yield Static(id="lines", markup=False)
        yield Keys(self._words)

    def on_mount(self) -> None:
        """Begin to look."""
        self.theme = "ansi-dark"
        self._go_on()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only what can be done now."""
        if action in ("view", "next_phone", "pair") and isinstance(self.screen, PairPage):
            return False
        if action == "next_phone":
            return self._look is not None and len(self._look.status.pairings) > 1
        if action == "pair":
            return self._look is not None and self._look.status.running
        return True

    def action_view(self, view: str) -> None:
        """Show another view."""
        self._view = view
        self._read_for = None
        self.query_one("#body").scroll_home(animate=False)
        self._wake.set()

    def action_next_phone(self) -> None:
        """Show the thread with another phone."""
        self._phone += 1
        self._read_for = None
        self._wake.set()

    def action_pair(self) -> None:
        """Show a code."""
        if not isinstance(self.screen, PairPage):
            self.push_screen(PairPage(self._looking.pair, self._words))

    @work
    async def _go_on(self) -> None:
        """Look every second, or at once when the person wants something else; never before the last look is through."""
        while True:
            self._wake.clear()
            await self._look_once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()

    async def _look_once(self) -> None:
        look = self._look = await self._looking.look()
        words, well = telling.connection_words(look.status, self._words)
        head = self.screen_stack[0].query_one("#head", Static)
        head.update(Text(f"{'●' if well else '○'} {words}{self._of_phone(look)}", style="green" if well else "yellow"))
        await self._read_thread(look)
        lines = self.screen_stack[0].query_one("#lines", Static)
        shown = views.OF_STATUS[self._view](look, self._words) if self._view in views.OF_STATUS else self._of_thread()
        lines.update(Text(views.written(shown)))
        self.refresh_bindings()

    def _of_phone(self, look: Look) -> str:
        many = len(look.status.pairings) > 1 and self._view in views.OF_THREAD
        return f"  [{self._named(look)}]" if many else ""

    def _named(self, look: Look) -> str:
        names = phone_words.phone_names(look.status.pairings)
        return names[self._phone % len(names)] if names else ""

    def _of_thread(self) -> Iterator[str]:
        return views.OF_THREAD[self._view](self._events, self._words)

    async def _read_thread(self, look: Look) -> None:
        """Read the thread, when it is looked at and something may have come: a long one is not read each second for nothing."""
        if self._view not in views.OF_THREAD or not look.status.pairings:
            return
        tasks = [one.SerializeToString() for one in look.tasks]
        if tasks == self._read_for and not look.status.HasField("running_task"):
            return
        try:
            self._events = await self._looking.thread(self._pair_word(look))
        except errors.NotRunning:
            return
        except errors.DispatchError as error:
            self.notify("\n".join(refusal_lines(error, self._words)), markup=False)
            return
        self._read_for = tasks
        self.call_after_refresh(self.screen_stack[0].query_one("#body").scroll_end, animate=False)

    def _pair_word(self, look: Look) -> str:
        pairings = look.status.pairings
        return pairings[self._phone % len(pairings)].pair_id.hex()
