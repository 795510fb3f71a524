"""The words of `dispatch-phone` (docs/cli.md): reads them, has them carried out, shows what happens.

What costs time to import stands inside the functions that need it: a person waits for the first line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer
from dispatch import errors
from dispatch.address import Address
from dispatch.cli import Console, Exit, PassphraseFile, guarded, passphrase_file, program
from dispatch.device.home import Home
from dispatch.device.owner_cli import add_owner_commands

app = program(
    name="dispatch-phone", about="A phone on the command line: sends work to your computer and shows what comes back."
)

Request = dict[str, Any]
Event = dict[str, Any]


class _Shared:
    """The shared options of this call."""

    as_json: bool = False
    home: str | None = None
    passphrase: Path | None = None


@app.callback()
def shared(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    home: Annotated[
        str | None, typer.Option("--home", envvar="DISPATCH_HOME", help="Where all state of this phone lives.")
    ] = None,
    passphrase: PassphraseFile = None,
) -> None:
    """A phone on the command line: sends work to your computer and shows what comes back."""
    options = _Shared()
    options.as_json, options.home, options.passphrase = as_json, home, passphrase_file(passphrase)
    context.obj = options


Server = Annotated[str, typer.Option(help="The pairing service, HOST:PORT.")]
AccountName = Annotated[str, typer.Option("--account", help="Your account's name.")]
DeviceName = Annotated[str, typer.Option("--name", help="What people call this phone.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Authorities = Annotated[
    Path | None,
    typer.Option("--ca", envvar="DISPATCH_CA", help="PEM file of the authority that signed the servers' certificates."),
]


@app.command()
def login(
    context: typer.Context,
    server: Server,
    name: DeviceName,
    account: Annotated[str | None, typer.Option("--account", help="Your account's name.")] = None,
    provider: Annotated[
        bool, typer.Option("--provider", help="Sign in at the service's provider, in any browser, instead.")
    ] = False,
    password_stdin: FromStdin = False,
    ca: Authorities = None,
) -> None:
    """Sign this phone in."""
    if provider == (account is not None) or (provider and password_stdin):
        raise typer.BadParameter("give either --account NAME, with a password, or --provider")

    def request() -> Request:
        to = {"server": _address(server), "ca": "" if ca is None else _authorities(ca), "name": name}
        if provider:
            return {"do": "login_at_provider", **to}
        return {"do": "login", **to, "account": account, "password": _secret("Password", from_stdin=password_stdin)}

    _run(context, request)


@app.command()
def signup(
    context: typer.Context,
    server: Server,
    account: AccountName,
    name: DeviceName,
    password_stdin: FromStdin = False,
    invitation_stdin: Annotated[
        bool, typer.Option("--invitation-stdin", help="Read an invitation from the next line of standard input.")
    ] = False,
    ca: Authorities = None,
) -> None:
    """Make an account and sign this phone in, where the service lets people do so."""

    def request() -> Request:
        return {
            "do": "signup",
            "server": _address(server),
            "ca": "" if ca is None else _authorities(ca),
            "account": account,
            "name": name,
            "password": _secret("Password", from_stdin=password_stdin, new=True),
            "invitation": _secret("Invitation", from_stdin=True) if invitation_stdin else "",
        }

    _run(context, request)


@app.command()
def logout(
    context: typer.Context,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Every device of the account, and the web.")] = False,
) -> None:
    """Sign this phone out."""
    _run(context, lambda: {"do": "logout", "everywhere": everywhere})


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

    _run(context, request)


@app.command()
def pair(
    context: typer.Context,
    qr: Annotated[Path | None, typer.Option("--qr", help="A picture of the code that the computer shows.")] = None,
    link: Annotated[
        str | None, typer.Option("--link", help="The link instead; - reads it from standard input.")
    ] = None,
) -> None:
    """Pair with the computer that shows the code."""
    if (qr is None) == (link is None):
        raise typer.BadParameter("give either --qr FILE or --link TEXT")

    def request() -> Request:
        return {"do": "pair", "link": _scanned(qr) if qr is not None else _pasted(link or "")}

    _run(context, request, refused=_not_paired)


@app.command()
def hosts(context: typer.Context) -> None:
    """List the computers that this phone is paired with."""
    _run(context, lambda: {"do": "hosts"}, nothing="Paired with no computer yet: dispatch-phone pair --qr FILE")


@app.command()
def send(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What you want done, in your words. - reads it from standard input.")],
    host: Annotated[str | None, typer.Option("--host", help="Which computer; needed with several only.")] = None,
    wait: Annotated[float | None, typer.Option("--wait", min=0, help="Stop watching after so many seconds.")] = None,
    task_id: Annotated[
        str | None, typer.Option("--id", help="The task's id (UUID), to try again or to look again.")
    ] = None,
) -> None:
    """Send a task and watch it to its end. Ctrl-C stops watching, not the task."""
    # Made here: when another process that does this for us ends, we go on with the same task.
    known = _uuid(task_id) if task_id is not None else str(uuid4())

    def request() -> Request:
        from mobile_sim.keyboard import read_all  # noqa: PLC0415

        return {"do": "send", "text": read_all() if text == "-" else text, "host": host, "wait": wait, "id": known}

    _run(context, request)


@app.command()
def cancel(context: typer.Context, task_id: Annotated[str, typer.Argument(help="The task's id.")]) -> None:
    """Cancel a task that waits or runs."""
    known = _uuid(task_id)
    _run(context, lambda: {"do": "cancel", "id": known})


@app.command()
def thread(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Which computer; needed with several only.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every hash, link and signature.")] = False,
    export: Annotated[Path | None, typer.Option("--export", help="Write it to this file, with what proves it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="With --verify: check this file, and no thread of ours.")
    ] = None,
) -> None:
    """Show the thread: what was asked and what came back. Works without a network."""
    if (verify and export) or (file and not verify) or (force and not export) or (file and host):
        raise typer.BadParameter("give --verify [--file FILE], or --export FILE [--force], or neither")
    if file is not None:
        shared_options: _Shared = context.obj
        guarded(lambda: _check_file(shared_options, file), as_json=shared_options.as_json)
    request: Request = {"do": "thread", "host": host, "verify": verify, "force": force}
    if export is not None:
        request["export"] = str(export.absolute())
    _run(context, lambda: request, nothing="Nothing was asked yet: dispatch-phone send TEXT")


def _check_file(shared_options: _Shared, file: Path) -> int:
    from dispatch.device.thread_file import checked  # noqa: PLC0415 -- cryptography, only for this
    from dispatch.device.thread_proof import read_lines, told  # noqa: PLC0415 -- as above

    event, words, code = told(checked(read_lines(file)), file=file)
    Console.standard(as_json=shared_options.as_json).event(event, words)
    return code


@app.command()
def status(context: typer.Context) -> None:
    """Show who this phone is and how its computers are."""
    _run(context, lambda: {"do": "status"})


@app.command()
def unpair(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Which computer; needed with several only.")] = None,
) -> None:
    """End a pairing, with or without the other side."""
    _run(context, lambda: {"do": "unpair", "host": host})


def _run(
    context: typer.Context,
    request: Callable[[], Request],
    *,
    refused: Callable[[errors.DispatchError], Event] | None = None,
    nothing: str = "",
) -> None:
    """Carry a command out and leave with its exit code."""
    shared_options: _Shared = context.obj

    def body() -> int:
        from mobile_sim.front import Front  # noqa: PLC0415 -- asyncio and what follows

        console = Console.standard(as_json=shared_options.as_json)
        front = Front(console, terminal=sys.stdout.isatty(), plaintext=_plaintext())
        try:
            home = Home.at(shared_options.home, app="dispatch-phone", passphrase_file=shared_options.passphrase)
            code = front.run(home, request())
        except errors.DispatchError as error:
            if refused is None:
                raise
            front.say(refused(error))
            return Exit.FAILED
        if nothing and not front.said and not shared_options.as_json:
            typer.echo(nothing)
        return code

    guarded(body, as_json=shared_options.as_json)


def _with_the_account(context: typer.Context, request: Request, nothing: str) -> None:
    shared_options: _Shared = context.obj
    # A program that reads our objects is asked nothing.
    ask = bool(request.get("ask")) and not shared_options.as_json
    _run(context, lambda: {**request, "ask": ask}, nothing=nothing)


add_owner_commands(app, _with_the_account)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a task's id (a UUID)") from None


def _address(text: str) -> str:
    try:
        return str(Address.parse(text))
    except ValueError as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "server"}) from None


def _authorities(file: Path) -> str:
    from dispatch.tls import read_authorities  # noqa: PLC0415 -- gRPC and cryptography, only for this

    try:
        return read_authorities(file)
    except ValueError as problem:
        raise errors.BadRequest(str(problem), metadata={"field": "ca"}) from None


def _plaintext() -> bool:
    """Whether the operator's word allows to speak in the clear off this computer."""
    return os.environ.get("DISPATCH_PLAINTEXT") == "1"


def _secret(what: str, *, from_stdin: bool, new: bool = False) -> str:
    """Read the next line, or ask a person, twice for a new one."""
    if from_stdin:
        from mobile_sim.keyboard import read_line  # noqa: PLC0415

        return read_line().rstrip("\r\n")
    answer: str = typer.prompt(what, hide_input=True, err=True, confirmation_prompt=new)
    return answer


def _scanned(picture: Path) -> str:
    from dispatch.pairing.link import SCHEME  # noqa: PLC0415

    from mobile_sim.camera import find_link  # noqa: PLC0415 -- the picture library, only for pictures

    return find_link(picture, is_link=lambda text: text.startswith(SCHEME))


def _pasted(link: str) -> str:
    if link != "-":
        return link.strip()
    from mobile_sim.keyboard import read_line  # noqa: PLC0415

    return read_line().strip()


def _not_paired(error: errors.DispatchError) -> Event:
    from mobile_sim.meeting import not_paired  # noqa: PLC0415

    return not_paired(error)
