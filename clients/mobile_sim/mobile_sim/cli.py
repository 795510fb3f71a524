"""The words of `dispatch-phone` (docs/cli.md): reads them, has them carried out, shows what happens.

What costs time to import stands inside the functions that need it: a person waits for the first line.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from dispatch import errors
from dispatch.cli import HOME_HELP, Console, PassphraseFile, Spoken, Version, guarded, passphrase_file, program
from dispatch.device.account_cli import add_account_commands
from dispatch.device.owner_cli import add_owner_commands
from dispatch.keyboard import read_line

from mobile_sim.command import Event, Host, Probe, Request, Shared, run, scanned
from mobile_sim.doctor_cli import doctor
from mobile_sim.files_cli import absolute, files
from mobile_sim.model_cli import model
from mobile_sim.notifications_cli import notifications
from mobile_sim.task_cli import add_task_commands
from mobile_sim.tui_cli import tui

app = program(
    name="dispatch-phone", about="A phone on the command line: sends work to your computer and shows what comes back."
)


@app.callback()
def shared(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    _version: Version = False,
    home: Annotated[str | None, typer.Option("--home", envvar="DISPATCH_HOME", help=HOME_HELP)] = None,
    passphrase: PassphraseFile = None,
    language: Spoken = None,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            envvar="DISPATCH_PHONE_LOG",
            help="File for this phone's log: events and ids, never what was asked (docs/logs.md).",
        ),
    ] = None,
    path: Annotated[
        str,
        typer.Option(
            "--path",
            envvar="DISPATCH_PHONE_PATH",
            help="How to reach the computer: auto (directly where both are on one network), relay or direct.",
        ),
    ] = "auto",
) -> None:
    """A phone on the command line: sends work to your computer and shows what comes back."""
    if path not in ("auto", "relay", "direct"):
        raise typer.BadParameter("--path is auto, relay or direct")
    context.obj = Shared(
        as_json=as_json,
        home=home,
        passphrase=passphrase_file(passphrase),
        way=path,
        environment=os.environ,
        language=language,
        log=log,
    )


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
        return {"do": "pair", "link": scanned(qr) if qr is not None else _pasted(link or "")}

    run(context, request, refused=_not_paired)


@app.command()
def hosts(context: typer.Context, probe: Probe = False) -> None:
    """List the computers that this phone is paired with."""
    run(
        context,
        lambda: {"do": "hosts", "probe": probe},
        nothing="Paired with no computer yet: dispatch-phone pair --qr FILE",
    )


@app.command()
def thread(
    context: typer.Context,
    host: Host = None,
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
        options: Shared = context.obj
        guarded(lambda: _check_file(options, file), as_json=options.as_json, language=options.language)
    request: Request = {"do": "thread", "host": host, "verify": verify, "force": force}
    if export is not None:
        request["export"] = absolute(export)
    run(context, lambda: request, nothing="Nothing was asked yet: dispatch-phone send TEXT")


def _check_file(options: Shared, file: Path) -> int:
    from dispatch.device.thread_file import checked  # noqa: PLC0415 -- cryptography, only for this
    from dispatch.device.thread_proof import read_lines, told  # noqa: PLC0415 -- as above

    event, words, code = told(checked(read_lines(file)), file=file)
    Console.standard(as_json=options.as_json, language=options.language).event(event, words)
    return code


@app.command()
def status(context: typer.Context, probe: Probe = False) -> None:
    """Show who this phone is and how its computers are."""
    run(context, lambda: {"do": "status", "probe": probe})


@app.command()
def unpair(
    context: typer.Context,
    host: Host = None,
) -> None:
    """End a pairing, with or without the other side."""
    run(context, lambda: {"do": "unpair", "host": host})


def _with_the_account(context: typer.Context, request: Request, nothing: str) -> None:
    shared_options: Shared = context.obj
    # A program that reads our objects is asked nothing.
    ask = bool(request.get("ask")) and not shared_options.as_json
    run(context, lambda: {**request, "ask": ask}, nothing=nothing)


app.command()(doctor)
app.command()(tui)
add_task_commands(app)
add_account_commands(app, run, this="phone")
add_owner_commands(app, _with_the_account)
app.add_typer(files)
app.add_typer(model)
app.add_typer(notifications)


def _pasted(link: str) -> str:
    if link != "-":
        return link.strip()
    return read_line().strip()


def _not_paired(error: errors.DispatchError) -> list[Event]:
    from mobile_sim.meeting import not_paired  # noqa: PLC0415

    return [not_paired(error)]
