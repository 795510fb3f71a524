"""The thread on the screen: one computer's cards, the newest at the bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dispatch.words import Words
from textual.containers import VerticalScroll

from mobile_sim.tui.card_view import CardView
from mobile_sim.tui.conversation import Card

MOST_CARDS = 80


class ThreadView(VerticalScroll, can_focus=False):
    """Shows the newest cards of the thread that is chosen."""

    def __init__(self, words: Words) -> None:
        super().__init__(id="thread")
        self._words = words

    def on_mount(self) -> None:
        """Stay at the bottom, unless the person scrolls away."""
        self.anchor()

    async def show(self, cards: Sequence[Card]) -> None:
        """Show another thread."""
        await self.remove_children()
        await self.mount_all(CardView(card, self._words) for card in cards[-MOST_CARDS:])
        self.anchor()

    async def changed(self, cards: Iterable[Card]) -> None:
        """Show cards that are new or changed."""
        views = {id(view.card): view for view in self.views()}
        fresh = []
        for card in cards:
            if (view := views.get(id(card))) is not None:
                view.changed()
            else:
                fresh.append(CardView(card, self._words))
        if fresh:
            await self.mount_all(fresh)
            for view in self.views()[:-MOST_CARDS]:
                await view.remove()

    def views(self) -> list[CardView]:
        """List the cards that are shown, oldest first."""
        return list(self.query_children(CardView))

    def step(self, view: CardView, by: int) -> bool:
        """Give the focus to the card before or behind one; tells whether there is one."""
        tasks = [one for one in self.views() if one.can_focus]
        place = tasks.index(view) + by if view in tasks else -1
        if not 0 <= place < len(tasks):
            return False
        tasks[place].focus()
        return True

    def newest(self) -> CardView | None:
        """Give the newest task's card."""
        return next((view for view in reversed(self.views()) if view.can_focus), None)
