"""The keys that do something now, at the bottom of a window, in the person's language."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey  # nothing public gives the names that a footer shows

from dispatch.words import Words


class Keys(Footer):
    """Names each key: a binding's description is its name's key in the catalogue's part `window`."""

    def __init__(self, words: Words) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._words = words

    def compose(self) -> ComposeResult:
        for shown in super().compose():
            if isinstance(shown, FooterKey) and shown.description:
                shown.description = self._words.window(shown.description)
            yield shown
