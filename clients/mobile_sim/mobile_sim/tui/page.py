"""What all windows beside the thread share: a title, what is in them, the lines that say what came of a command, the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from dispatch.tui.keys import Keys
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from mobile_sim.saying.said import Said
from mobile_sim.tui.lines import Lines
from mobile_sim.tui.performing import performed
from mobile_sim.tui.prompt import Ask, Confirm
from mobile_sim.tui.rendering import text_of

if TYPE_CHECKING:
    from mobile_sim.tui.phone_app import PhoneApp

Event = dict[str, Any]
Request = dict[str, Any]


class Page(Screen[None]):
    """One window. Escape goes back to the thread."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "back")]
    NAME = ""
    """What its title is in the catalogue's part `window`."""

    def compose(self) -> ComposeResult:
        yield Static(self.phone.words.window(self.NAME), markup=False, classes="title")
        yield from self.inside()
        with VerticalScroll(classes="said", can_focus=False):
            yield Lines()
        yield Keys(self.phone.words)

    def inside(self) -> Iterable[Widget]:
        """Give what is in the window."""
        return ()

    @property
    def phone(self) -> PhoneApp:
        return cast("PhoneApp", self.app)

    @property
    def lines(self) -> Lines:
        return self.query_one(Lines)

    async def ask(self, words: str, *, value: str = "", secret: bool = False) -> str | None:
        """Ask for a line; None when the person leaves. In a worker only."""
        return await self.app.push_screen_wait(Ask(words, self.phone.words, value=value, secret=secret))

    async def sure(self, words: str, *, yes: str) -> bool:
        """Ask for a yes, which `yes` names in the catalogue's part `window`. In a worker only."""
        return await self.app.push_screen_wait(Confirm([Said(words)], self.phone.words, yes=yes))

    async def perform(self, request: Request, heard: Callable[[Event], None] | None = None) -> bool:
        """Have something done and say below what happens; tells whether it was not refused. In a worker only.

        Events that `heard` is given are said by whoever hears them.
        """
        self.lines.forget()
        return await performed(self.phone, request, self.lines, heard)


class ListPage(Page):
    """A window with a list."""

    def inside(self) -> Iterable[Widget]:
        yield OptionList(id="list", markup=False, compact=True)
        yield Static(self.phone.words.window(self.NOTHING), id="nothing", markup=False)

    NOTHING = ""
    """What is said of an empty list, in the same part."""

    def on_mount(self) -> None:
        """Load what there is."""
        self.rows: list[Event] = []
        self.query_one("#nothing").display = False
        self.query_one("#list").focus()
        self.load()

    def load(self) -> object:
        """Load the list anew."""
        return None

    def show_rows(self, rows: list[Event], line: Callable[[Event], Said]) -> None:
        """Show these rows; what was marked stays so."""
        shown = self.query_one("#list", OptionList)
        marked = shown.highlighted
        self.rows = rows
        shown.set_options([Option(text_of(line(row))) for row in rows])
        if rows:
            shown.highlighted = min(marked or 0, len(rows) - 1)
        shown.display = bool(rows)
        self.query_one("#nothing").display = not rows

    @property
    def marked(self) -> Event | None:
        """Give the row that is marked."""
        place = self.query_one("#list", OptionList).highlighted
        return self.rows[place] if place is not None and place < len(self.rows) else None
