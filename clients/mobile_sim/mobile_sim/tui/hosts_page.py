"""The computers: which of them the thread is with, how each is, pairing and unpairing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from dispatch import errors
from dispatch.plain import one_line
from textual import work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static

from mobile_sim.command import scanned
from mobile_sim.saying.phrases import how_it_is
from mobile_sim.saying.said import Said, refusal_said
from mobile_sim.saying.sayer import Sayer
from mobile_sim.tui.page import Event, ListPage, Page
from mobile_sim.tui.path import typed_path


class HostsPage(ListPage):
    """The list of them. Enter chooses one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pair", "pair"),
        Binding("t", "probe", "probe"),
        Binding("u", "unpair", "unpair"),
    ]
    NAME = "computers"
    NOTHING = "no_computers"

    def load(self) -> None:
        """Show what is known, now and whenever it changes."""
        status = self.phone.status
        former = [one | {"former": True} for one in _latest(status.get("former", []), status.get("hosts", []))]
        self.show_rows([*status.get("hosts", []), *former], self._line)
        self._show_marked()

    def _line(self, host: Event) -> Said:
        chosen = "▸ " if host["thread"] == self.phone.thread else "  "
        if host.get("former"):
            return Said(
                f"{chosen}{one_line(host['host'], 64)}  {self.phone.words.window('no_longer_paired')}", dim=True
            )
        return Said(f"{chosen}{one_line(host['host'], 64)}  {how_it_is(host, self.phone.words)}")

    def on_option_list_option_highlighted(self, _: OptionList.OptionHighlighted) -> None:
        """Say more of the one that is marked."""
        self._show_marked()

    def _show_marked(self) -> None:
        host = self.marked
        if host is not None and not host.get("former"):
            self.lines.forget()
            self.lines.say(Sayer(width=lambda: 60, words=self.phone.words).say(host | {"event": "host"}))

    async def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Go to the thread with this one."""
        if (host := self.marked) is not None:
            self.app.pop_screen()
            await self.phone.choose(host["thread"])

    def action_pair(self) -> None:
        """Pair with one more."""
        self.app.push_screen(PairPage())

    @work
    async def action_probe(self) -> None:
        """Have each answer from end to end."""
        await self.perform({"do": "hosts", "probe": True})

    @work
    async def action_unpair(self) -> None:
        """End a pairing, when the person is sure."""
        host = self.marked
        if host is None or host.get("former"):
            return
        if await self.sure(self.phone.words.window("unpair_sure", host=one_line(host["host"], 64)), yes="unpair"):
            await self.perform({"do": "unpair", "host": host["pair_id"]})


class PairPage(Page):
    """Pairs with the computer that shows a code: by a picture of it, or by its link."""

    NAME = "pair_with"

    def inside(self) -> Iterable[Widget]:
        words = self.phone.words
        yield Static(words.window("pair_how"), markup=False, classes="hint")
        yield Input(placeholder=words.window("pair_field"), id="code", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Begin the ceremony."""
        if event.value.strip():
            self._pair(event.value.strip())

    @work(exclusive=True)
    async def _pair(self, said: str) -> None:
        from dispatch.pairing.link import SCHEME  # noqa: PLC0415 -- quick start

        self.lines.forget()
        try:
            link = said if said.startswith(SCHEME) else await asyncio.to_thread(scanned, typed_path(said))
        except errors.DispatchError as error:
            self.lines.say(refusal_said(error, self.phone.words))
            return
        self.query_one("#code", Input).clear()
        await self.perform({"do": "pair", "link": link})


def _latest(former: list[Event], current: list[Event]) -> list[Event]:
    """Give the threads whose computer is paired no more, once each."""
    paired = {host["thread"] for host in current}
    return list({one["thread"]: one for one in former if one["thread"] not in paired}.values())
