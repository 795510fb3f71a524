"""The words of `login`, `signup`, `logout` and `password`, added to the command line of phone and host. docs/cli.md has them.

What costs time to import is imported where it is needed, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatch import errors
from dispatch.address import Address
from dispatch.keyboard import read_line

Request = dict[str, Any]
CarryOut = Callable[[typer.Context, Callable[[], Request]], None]
"""Has a request made, which may ask the person, carries it out and leaves with its exit code."""

_Server = Annotated[str, typer.Option(help="The pairing service, HOST:PORT.", show_default=False)]
_DeviceName = Annotated[str, typer.Option("--name", help="What people call this device.", show_default=False)]
_FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
_Authorities = Annotated[
    Path | None,
    typer.Option("--ca", envvar="DISPATCH_CA", help="PEM file of the authority that signed the servers' certificates."),
]


def add_account_commands(app: typer.Typer, carry_out: CarryOut, *, this: str) -> None:
    """Add the four commands to a program; `this` is what the device is called, "phone" or "computer"."""

    @app.command(help=f"Sign this {this} in.")
    def login(
        context: typer.Context,
        server: _Server,
        name: _DeviceName,
        account: Annotated[
            str | None, typer.Option("--account", help="Your account's name.", show_default=False)
        ] = None,
        provider: Annotated[
            bool, typer.Option("--provider", help="Sign in at the service's provider, in any browser, instead.")
        ] = False,
        password_stdin: _FromStdin = False,
        ca: _Authorities = None,
    ) -> None:
        if provider == (account is not None) or (provider and password_stdin):
            raise typer.BadParameter("give either --account NAME, with a password, or --provider")

        def request() -> Request:
            to = {"server": _address(server), "ca": _authorities(ca), "name": name}
            if provider:
                return {"do": "login_at_provider", **to}
            return {"do": "login", **to, "account": account, "password": _secret("Password", from_stdin=password_stdin)}

        carry_out(context, request)

    @app.command(help=f"Make an account and sign this {this} in to it, where the service lets people do so.")
    def signup(
        context: typer.Context,
        server: _Server,
        account: Annotated[str, typer.Option("--account", help="Your account's name.", show_default=False)],
        name: _DeviceName,
        password_stdin: _FromStdin = False,
        invitation_stdin: Annotated[
            bool, typer.Option("--invitation-stdin", help="Read an invitation from the next line of standard input.")
        ] = False,
        ca: _Authorities = None,
    ) -> None:
        def request() -> Request:
            return {
                "do": "signup",
                "server": _address(server),
                "ca": _authorities(ca),
                "account": account,
                "name": name,
                "password": _secret("Password", from_stdin=password_stdin, new=True),
                "invitation": _secret("Invitation", from_stdin=True) if invitation_stdin else "",
            }

        carry_out(context, request)

    @app.command(help=f"Sign this {this} out. What is paired stays so.")
    def logout(
        context: typer.Context,
        everywhere: Annotated[
            bool, typer.Option("--everywhere", help="Every device of the account, and the web.")
        ] = False,
    ) -> None:
        carry_out(context, lambda: {"do": "logout", "everywhere": everywhere})

    @app.command()
    def password(
        context: typer.Context,
        password_stdin: Annotated[
            bool, typer.Option("--password-stdin", help="Read the old one and, on the next line, the new one.")
        ] = False,
    ) -> None:
        """Change the account's password; every other device is signed out."""

        def request() -> Request:
            return {
                "do": "password",
                "old": _secret("Password so far", from_stdin=password_stdin),
                "new": _secret("New password", from_stdin=password_stdin, new=True),
            }

        carry_out(context, request)


def _address(text: str) -> str:
    try:
        return str(Address.parse(text))
    except ValueError as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "server"}) from None


def _authorities(file: Path | None) -> str:
    if file is None:
        return ""
    from dispatch.tls import read_authorities  # noqa: PLC0415 -- gRPC and cryptography, only for this

    try:
        return read_authorities(file)
    except ValueError as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "ca"}) from None


def _secret(what: str, *, from_stdin: bool, new: bool = False) -> str:
    """Read the next line of standard input, or ask a person, twice for a new one."""
    if from_stdin:
        return read_line().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise errors.BadRequest("pass the password on standard input, with --password-stdin")
    answer: str = typer.prompt(what, hide_input=True, err=True, confirmation_prompt=new)
    return answer
