"""The words of `dispatch-phone doctor`. Added to the program by `cli`."""

from __future__ import annotations

from typing import Annotated

import typer
from dispatch import errors

from mobile_sim.command import Event, run


def doctor(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Only the way to this computer.")] = None,
) -> None:
    """Walk the chain from this phone to its computers and name the first link that is broken, and the mend."""
    run(context, lambda: {"do": "doctor", "host": host}, refused=_no_home)


def _no_home(error: errors.DispatchError) -> list[Event]:
    """Say that not even the phone's own home can be used."""
    from dispatch.doctor.chain import Found, refused  # noqa: PLC0415 -- only when it is needed
    from dispatch.doctor.telling import event_of, verdict_of  # noqa: PLC0415

    found = Found(link="home", about="", finding=refused(error))
    return [event_of(found), verdict_of([found])]
