"""`dispatch-host keep-awake`: whether and when this computer is kept from falling asleep. Added to the program by `cli`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from dispatch.cli import Exit

from dispatch_host.command import Shared, at_desk

if TYPE_CHECKING:
    from dispatch_host.front import Front


class When(StrEnum):
    """When it is kept awake."""

    ON = "on"
    OFF = "off"
    WHILE_RUNNING = "while-running"


def keep_awake(
    context: typer.Context,
    when: Annotated[
        When | None, typer.Argument(help="From now on; left out, it is only said.", show_default=False)
    ] = None,
) -> None:
    """Keep this computer from falling asleep: as long as the host runs, never, or while a task runs."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.device.awake_words import MODES  # noqa: PLC0415 -- quick `--help`

        from dispatch_host import telling  # noqa: PLC0415

        if when is None:
            found = (await front.status()).keep_awake
        else:
            found = await front.set_keep_awake(MODES[when])
        shared.console.event(
            {"event": "keep_awake", **telling.keep_awake(found)},
            telling.keep_awake_words(found, shared.console.words).strip(),
        )
        return Exit.DONE

    at_desk(shared, work)
