"""The outbox: what was not sent or was refused. Nothing goes out of it but by the person's word."""

from __future__ import annotations

from typing import ClassVar

from dispatch import errors
from dispatch.plain import one_line
from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import OptionList

from mobile_sim.saying.phrases import hour, state_word
from mobile_sim.saying.said import Said
from mobile_sim.tui.page import Event, ListPage


class OutboxPage(ListPage):
    """The list of it. Enter sends one again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "resend", "resend"),
        Binding("x", "drop", "drop"),
    ]
    NAME = "outbox"
    NOTHING = "nothing_waits"

    @work(exclusive=True, group="outbox")
    async def load(self) -> None:
        """Ask for what there is."""
        rows: list[Event] = []
        await self.perform({"do": "outbox"}, rows.append)
        self.show_rows(rows, self._line)

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Send it again."""
        self.action_resend()

    def action_resend(self) -> None:
        """Send it again: the thread shows what becomes of it."""
        if (row := self.marked) is not None:
            self.app.pop_screen()
            self.phone.resend(row["task_id"])

    @work
    async def action_drop(self) -> None:
        """Delete its words, when the person is sure."""
        row = self.marked
        if row is not None and await self.sure(self.phone.words.window("drop_sure"), yes="drop"):
            await self.perform({"do": "drop", "id": row["task_id"]})
            self.load()

    def _line(self, row: Event) -> Said:
        words = self.phone.words
        why = f": {errors.of_word(row['reason']).words_in(words).sentence}" if row.get("reason") else ""
        state = state_word(row["state"], words)
        return Said(f"{hour(row['asked_at'])}  {one_line(row['text'], 60)}  {state}{why}")
