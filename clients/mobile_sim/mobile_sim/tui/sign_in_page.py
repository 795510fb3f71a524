"""Signs this phone in: with an account and its password, or at the service's provider."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dispatch import errors
from dispatch.address import Address
from textual import work
from textual.widget import Widget
from textual.widgets import Input, Static

from mobile_sim.saying.said import refusal_said
from mobile_sim.tui.page import Page
from mobile_sim.tui.path import typed_path

_FIELDS = {
    "server": "form_server",
    "name": "form_name",
    "account": "form_account",
    "password": "form_password",
    "authorities": "form_authorities",
}
"""Each with its words in the catalogue's part `window`."""


class SignInPage(Page):
    """One form. Enter goes on to the next field, and from the last one signs in."""

    NAME = "sign_in"

    def inside(self) -> Iterable[Widget]:
        for field, about in _FIELDS.items():
            yield Static(self.phone.words.window(about), markup=False, classes="hint")
            yield Input(id=field, password=field == "password", compact=True)

    def on_mount(self) -> None:
        """Begin with what is known."""
        status = self.phone.status
        self.query_one("#server", Input).value = status.get("server") or ""
        self.query_one("#name", Input).value = status.get("device") or ""
        self.query_one("#account", Input).value = status.get("account") or ""
        self.query_one("#server", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on, or sign in."""
        fields = list(_FIELDS)
        if event.input.id != fields[-1]:
            self.query_one(f"#{fields[fields.index(event.input.id or '') + 1]}", Input).focus()
        else:
            self._sign_in()

    @work(exclusive=True)
    async def _sign_in(self) -> None:
        values = {field: self.query_one(f"#{field}", Input).value for field in _FIELDS}
        self.lines.forget()
        try:
            to = {
                "server": _address(values["server"]),
                "name": values["name"].strip(),
                "ca": _authorities(values["authorities"]),
            }
            if not to["name"]:
                raise errors.BadRequest("the phone needs a name", metadata={"field": "name"})
        except errors.BadRequest as wrong:
            self.lines.say(refusal_said(wrong, self.phone.words))
            return
        account = values["account"].strip()
        self.query_one("#password", Input).clear()
        request = {"do": "login", "account": account, "password": values["password"]}
        if await self.perform(to | (request if account else {"do": "login_at_provider"})):
            self.query_one("#authorities", Input).clear()


def _address(text: str) -> str:
    try:
        return str(Address.parse(text.strip()))
    except ValueError as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "server"}) from None


def _authorities(said: str) -> str:
    if not said.strip():
        return ""
    from dispatch.tls import read_authorities  # noqa: PLC0415 -- gRPC and cryptography, only for this

    file: Path = typed_path(said)
    try:
        return read_authorities(file)
    except ValueError as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "ca"}) from None
