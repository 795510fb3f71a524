"""Where a person writes what they want done: Enter sends, Ctrl+J begins a new line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dispatch.words import Words
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class Composer(TextArea):
    """The words of the next task."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "", show=False, priority=True),
        Binding("ctrl+j", "break_line", "", show=False, priority=True),
    ]

    @dataclass
    class Sent(Message):
        """What the person wants sent."""

        words: str

    class Left(Message):
        """The person goes up, to the cards."""

    def __init__(self, words: Words) -> None:
        super().__init__(
            id="composer",
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder=words.window("composer"),
        )

    def action_send(self) -> None:
        """Hand the words on; they stay here until they are taken."""
        if self.text.strip():
            self.post_message(self.Sent(self.text))

    def action_break_line(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "up" and self.cursor_at_first_line:
            event.stop()
            event.prevent_default()
            self.post_message(self.Left())
            return
        await super()._on_key(event)
