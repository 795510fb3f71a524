"""The words `dispatch-host keep-awake`: whether and when this computer is kept from falling asleep. Added by `cli`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dispatch.cli import Exit

if TYPE_CHECKING:
    from dispatch_host.front import Front

AtDesk = Callable[[Any, Callable[["Front"], Awaitable[Exit]]], None]
"""Does something at the front desk of the call's shared options."""


class When(StrEnum):
    """When it is kept awake."""

    ON = "on"
    OFF = "off"
    WHILE_RUNNING = "while-running"


def add_keep_awake(app: typer.Typer, at_desk: AtDesk) -> None:
    """Add the command."""

    @app.command("keep-awake")
    def keep_awake(
        context: typer.Context,
        when: Annotated[
            When | None, typer.Argument(help="From now on; left out, it is only said.", show_default=False)
        ] = None,
    ) -> None:
        """Keep this computer from falling asleep: as long as the host runs, never, or while a task runs."""

        async def work(front: Front) -> Exit:
            from dispatch.device.awake_words import MODES  # noqa: PLC0415 -- quick `--help`

            from dispatch_host import telling  # noqa: PLC0415

            if when is None:
                found = (await front.status()).keep_awake
            else:
                found = await front.set_keep_awake(MODES[when])
            context.obj.console.event(
                {"event": "keep_awake", **telling.keep_awake(found)}, telling.keep_awake_words(found).strip()
            )
            return Exit.DONE

        at_desk(context.obj, work)
