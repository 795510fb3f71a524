"""`dispatch-phone notifications`: where this phone is called, and what came. Added to the program by `cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from dispatch import errors
from dispatch.keyboard import read_line
from dispatch.words import Language

from mobile_sim.command import Host, Request, Shared, run
from mobile_sim.files_cli import absolute
from mobile_sim.quiet import Hours, notified_in, quiet_hours

notifications = typer.Typer(name="notifications", help="Where and when this phone is called, and what is in a push.")

Quiet = Annotated[str | None, typer.Option("--quiet", help="When not to call: 22:00-07:00.")]
Zone = Annotated[str, typer.Option("--time-zone", help="Of these hours: Europe/Berlin.")]
Ring = Annotated[bool, typer.Option("--questions-ring", help="Questions call in quiet hours, too.")]


@notifications.callback(invoke_without_command=True)
def show(context: typer.Context) -> None:
    """Say with which key each computer's relay calls: subscribe with that."""
    if context.invoked_subcommand is None:
        run(context, lambda: {"do": "notifications", "host": None})


@notifications.command()
def on(
    context: typer.Context,
    endpoint: Annotated[
        str,
        typer.Argument(help="What a push service gave. - reads it from standard input: whoever has it can call."),
    ],
    host: Host = None,
    quiet: Quiet = None,
    time_zone: Zone = "UTC",
    questions_ring: Ring = False,
) -> None:
    """Be called there."""
    hours, language = _hours(quiet, time_zone, questions_ring=questions_ring), _language(context)

    def request() -> Request:
        where = read_line().strip() if endpoint == "-" else endpoint
        if not where:
            raise typer.BadParameter("give an endpoint")
        return {"do": "notifications_set", "endpoint": where, "quiet": hours, "language": language, "host": host}

    run(context, request)


@notifications.command()
def off(
    context: typer.Context,
    host: Host = None,
    quiet: Quiet = None,
    time_zone: Zone = "UTC",
    questions_ring: Ring = False,
) -> None:
    """Be called nowhere. With --quiet the hours hold for whatever else the relay calls for this phone."""
    hours = _hours(quiet, time_zone, questions_ring=questions_ring)
    language = _language(context)
    run(
        context,
        lambda: {"do": "notifications_set", "endpoint": "", "quiet": hours, "language": language, "host": host},
    )


@notifications.command(name="open")
def open_push(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The body of a push that came, as it came.")],
) -> None:
    """Open a push that came."""
    run(context, lambda: {"do": "notifications_open", "file": absolute(file)})


def _language(context: typer.Context) -> str:
    shared: Shared = context.obj
    return notified_in(shared.language or Language.of_environment(shared.environment))


def _hours(text: str | None, time_zone: str, *, questions_ring: bool) -> Hours | None:
    try:
        return quiet_hours(text, time_zone, questions_ring=questions_ring)
    except errors.BadRequest as wrong:
        raise typer.BadParameter(wrong.detail) from None
