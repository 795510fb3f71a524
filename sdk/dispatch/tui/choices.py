"""Answers to choose from, of which none is marked until the person moves to it: Enter alone never says yes to anything."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widgets import OptionList
from textual.widgets.option_list import Option

from dispatch.plain import one_line

_LONGEST = 400


class Choices(OptionList):
    """A list of answers."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(markup=False, compact=True, classes="answers")
        # Not handed to the list when it is made: it would mark the first.
        self.add_options(Option(one_line(one, _LONGEST)) for one in words)

    def on_blur(self) -> None:
        """Forget what was marked: who comes back begins anew."""
        self.highlighted = None
