"""Questions that a window asks the person: for a line, or for a yes. Nothing is marked at first, Escape says no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from dispatch.tui.choices import Choices
from dispatch.tui.keys import Keys
from dispatch.words import Words
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from mobile_sim.saying.said import Said
from mobile_sim.tui.rendering import rendered


class Ask(ModalScreen[str | None]):
    """Asks for one line; gives None when the person leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "back")]

    def __init__(self, asked: str, words: Words, *, value: str = "", secret: bool = False) -> None:
        super().__init__()
        self._asked = asked
        self._words = words
        self._value = value
        self._secret = secret

    def compose(self) -> ComposeResult:
        with Vertical(classes="prompt"):
            yield Static(self._asked, markup=False)
            yield Input(self._value, password=self._secret, id="line", compact=True)
        yield Keys(self._words)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the line."""
        self.dismiss(event.value)


class Confirm(ModalScreen[bool]):
    """Asks for a yes; anything else is a no. Neither is marked at first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "no")]

    def __init__(self, said: Sequence[Said], words: Words, *, yes: str = "yes") -> None:
        super().__init__()
        self._said = list(said)
        self._words = words
        self._answers = (words.window(yes), words.window("no"))

    def compose(self) -> ComposeResult:
        with Vertical(classes="prompt"):
            yield Static(rendered(self._said), markup=False)
            yield Choices(self._answers)
        yield Keys(self._words)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the answer."""
        self.dismiss(event.option_index == 0)
