"""The lines below a window that say what came of what the person did there."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from mobile_sim.saying.said import How, Said
from mobile_sim.tui.rendering import rendered

MOST = 200


class Lines(Static):
    """What was said last. What passes is replaced by what is said next."""

    def __init__(self, *, most: int = MOST) -> None:
        super().__init__(markup=False)
        self._most = most
        self.said: list[Said] = []
        self.display = False

    def say(self, several: Iterable[Said]) -> None:
        """Say more."""
        for said in several:
            if self.said and self.said[-1].how is How.PASSING:
                self.said.pop()
            self.said.append(said)
        del self.said[: -self._most]
        self._show()

    def settle(self) -> None:
        """Take away what was only passing."""
        if self.said and self.said[-1].how is How.PASSING:
            self.said.pop()
            self._show()

    def forget(self) -> None:
        """Take them away."""
        self.said = []
        self._show()

    def _show(self) -> None:
        self.display = bool(self.said)
        self.update(rendered(self.said))
        if isinstance(self.parent, Widget):
            self.call_after_refresh(self.parent.scroll_end, animate=False)
