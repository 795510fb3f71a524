"""`dispatch-host doctor`: has the front desk walk the chain, and says what it finds. Added to the program by `cli`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer
from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.command import Shared, do, front_desk

if TYPE_CHECKING:
    from dispatch.doctor.chain import Found


def doctor(context: typer.Context) -> None:
    """Walk the chain from this computer to its phones and name the first link that is broken, and the mend."""
    shared: Shared = context.obj

    async def work() -> Exit:
        from dispatch.doctor import telling  # noqa: PLC0415 -- quick `--help`
        from dispatch.doctor.chain import Found, refused  # noqa: PLC0415

        every: list[Found] = []

        def say(found: Found) -> None:
            every.append(found)
            event = telling.event_of(found)
            shared.console.event(event, telling.line_of(event, shared.console))

        try:
            await _walk(shared, say)
        except errors.DispatchError as error:
            # Not even the home can be opened, or the host that runs in it ended meanwhile or does not answer.
            say(Found(link="home", about="", finding=refused(error)))
        verdict = telling.verdict_of(every)
        shared.console.event(verdict, telling.last_line_of(verdict, shared.console))
        return telling.exit_of_verdict(verdict)

    do(shared, work)


async def _walk(shared: Shared, say: Callable[[Found], None]) -> None:
    async with front_desk(shared) as front, contextlib.aclosing(front.examine()) as findings:
        async for found in findings:
            say(found)
