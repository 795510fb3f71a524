"""The settings: who this phone is and where it is called, its sign-in, the account's devices and history, the doctor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from dispatch import errors
from dispatch.device.owner_words import words_of
from textual import work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from mobile_sim.quiet import Hours, notified_in, quiet_hours
from mobile_sim.saying.said import refusal_said
from mobile_sim.saying.sayer import Sayer
from mobile_sim.tui.page import Event, Page
from mobile_sim.tui.sign_in_page import SignInPage

HISTORY = 50


class SettingsPage(Page):
    """What can be set and looked at, as a list."""

    NAME = "settings"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "", "", show=False)]
    ENTRIES = (
        "who",
        "sign_in",
        "sign_out",
        "password",
        "rename",
        "notifications",
        "silence",
        "devices",
        "revoke",
        "tasks_of_account",
        "doctor",
    )

    def inside(self) -> Iterable[Widget]:
        options = [Option(self.phone.words.window(entry), id=entry) for entry in self.ENTRIES]
        yield OptionList(*options, markup=False, compact=True, id="list")

    def on_mount(self) -> None:
        """Begin with who this phone is."""
        self.query_one("#list").focus()
        self._who()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do it."""
        match event.option_id:
            case "who":
                self._who()
            case "sign_in":
                self.app.push_screen(SignInPage())
            case "doctor":
                self._do({"do": "doctor", "host": None})
            case "devices":
                self._do({"do": "devices"})
            case "tasks_of_account":
                self._do({"do": "history", "limit": HISTORY})
            case "silence":
                self._do(self._called_at("", None))
            case word:
                self.run_worker(getattr(self, f"_{word}")())

    def _who(self) -> None:
        self.lines.forget()
        if self.phone.status:
            status: Event = {**self.phone.status, "hosts": []}
            said = list(Sayer(width=lambda: 60, words=self.phone.words).say(status))
            self.lines.say(said if self.phone.status["hosts"] else said[:-1] or said)

    @work(exclusive=True)
    async def _do(self, request: Event) -> None:
        await self.perform(request)

    async def _sign_out(self) -> None:
        if await self.sure(self.phone.words.window("sign_out_sure"), yes="sign_out"):
            await self.perform({"do": "logout", "everywhere": False})

    async def _password(self) -> None:
        old = await self.ask(self.phone.words.window("password_old"), secret=True)
        new = await self.ask(self.phone.words.window("password_new"), secret=True) if old else None
        if old and new and new == await self.ask(self.phone.words.window("password_again"), secret=True):
            await self.perform({"do": "password", "old": old, "new": new})

    async def _rename(self) -> None:
        devices: list[Event] = []
        if not await self.perform({"do": "devices"}, devices.append):
            return
        this = next((one for one in devices if one["this_device"]), None)
        if this is not None and (name := await self.ask(self.phone.words.window("name_which"), value=this["name"])):
            await self.perform({"do": "rename", "device": this["device_id"], "name": name})

    async def _revoke(self) -> None:
        devices: list[Event] = []
        if not await self.perform({"do": "devices"}, devices.append):
            return
        # The question covers the window: they have to stand in it.
        there = "\n".join(words_of(one, self.phone.words) for one in devices if not one["revoked_at"])
        if which := await self.ask(f"{there}\n\n{self.phone.words.window('revoke_which')}"):
            await self.perform({"do": "revoke", "device": which.strip(), "ask": True})

    async def _notifications(self) -> None:
        endpoint = await self.ask(self.phone.words.window("endpoint_which"), secret=True)
        if not endpoint:
            return
        quiet = await self.ask(self.phone.words.window("quiet_which"))
        zone = await self.ask(self.phone.words.window("zone_which"), value="UTC") if quiet else "UTC"
        if quiet is None or zone is None:
            return
        try:
            hours = quiet_hours(quiet.strip() or None, zone.strip(), questions_ring=True)
        except errors.BadRequest as wrong:
            self.lines.forget()
            self.lines.say(refusal_said(wrong, self.phone.words))
            return
        await self.perform(self._called_at(endpoint.strip(), hours))

    def _called_at(self, endpoint: str, quiet: Hours | None) -> Event:
        spoken = notified_in(self.phone.words.language)
        return {"do": "notifications_set", "endpoint": endpoint, "quiet": quiet, "language": spoken, "host": None}
