"""Which keys there are."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from mobile_sim.tui.page import Page


class HelpPage(Page):
    """The page of keys."""

    NAME = "which_keys"

    def inside(self) -> Iterable[Widget]:
        with VerticalScroll(id="help"):
            yield Static(self.phone.words.window("which_keys_text"), markup=False)
