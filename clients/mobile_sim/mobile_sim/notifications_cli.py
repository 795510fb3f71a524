"""`dispatch-phone notifications`: where this phone is called, and what came. Added to the program by `cli`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from dispatch.keyboard import read_line
from dispatch.words import Language

from mobile_sim.command import Host, Request, Shared, run
from mobile_sim.files_cli import absolute

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


def _hours(text: str | None, time_zone: str, *, questions_ring: bool) -> dict[str, Any] | None:
    """Read "22:00-07:00". Raises BadParameter."""
    if text is None:
        return None
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if found is None:
        raise typer.BadParameter("--quiet is HH:MM-HH:MM")
    begin, begin_minute, end, end_minute = map(int, found.groups())
    return {
        "time_zone": time_zone,
        "from_minute": 60 * begin + begin_minute,
        "to_minute": 60 * end + end_minute,
        "questions_ring": questions_ring,
    }


def _language(context: typer.Context) -> str:
    """Give the language that others are to write in; empty for English, which they do anyway."""
    shared: Shared = context.obj
    spoken = shared.language or Language.of_environment(shared.environment)
    return "" if spoken is Language.ENGLISH else spoken.value
