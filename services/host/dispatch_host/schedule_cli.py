"""`dispatch-host schedule`: what this computer does by itself. Added to the program by `cli`; docs/schedule.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.command import Shared, at_desk
from dispatch_host.schedule.missed import Missed

if TYPE_CHECKING:
    from dispatch_host.front import Front

schedule = typer.Typer(name="schedule", help="What this computer does by itself, again and again or once.")

EntryId = Annotated[
    str, typer.Argument(metavar="ID", help="As it is listed; its beginning is enough.", show_default=False)
]


@schedule.command()
def add(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[CRON] TEXT",
            help='When, as cron has it ("0 8 * * 1-5"), and what is to be done. With --at only what.',
            show_default=False,
        ),
    ],
    at: Annotated[str, typer.Option("--at", help='Once, at "2026-12-01 09:00" by this computer\'s clock.')] = "",
    phone: Annotated[
        str, typer.Option("--for", metavar="PHONE", help="In whose thread; not needed with one phone only.")
    ] = "",
    missed: Annotated[
        Missed,
        typer.Option("--missed", help="What is done about times when this computer was off or asleep."),
    ] = Missed.SKIP,
) -> None:
    """Have something done by itself. Results come into the thread of the phone."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.api.host.v1 import host_pb2 as pb  # noqa: PLC0415 -- quick `--help`

        from dispatch_host.schedule import words as said  # noqa: PLC0415

        wanted = pb.Schedule(text=words[-1], phone_name=phone, missed=said.MISSED[missed])
        if at and len(words) == 1:
            wanted.at = at
        elif not at and len(words) == 2:
            wanted.cron = words[0]
        else:
            raise errors.BadRequest('give "CRON" "TEXT", or --at "TIME" "TEXT"', metadata={"field": "when"})
        added = await front.add_schedule(wanted)
        shared.console.event(said.told(added, "added"), "\n".join(said.lines(added)))
        return Exit.DONE

    at_desk(shared, work)


@schedule.command("list")
def list_entries(context: typer.Context) -> None:
    """List the entries: when each is due next, and what became of it last."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host.schedule import words as said  # noqa: PLC0415 -- quick `--help`

        listed = await front.list_schedules()
        for one in listed.schedules:
            shared.console.event(said.told(one, "scheduled", zone=listed.zone), "\n".join(said.lines(one)))
        if not shared.as_json:
            none = 'Nothing is done by itself: dispatch-host schedule add "0 8 * * 1-5" TEXT'
            shared.console.event({}, f"Times are those of {listed.zone}." if listed.schedules else none)
        return Exit.DONE

    at_desk(shared, work)


@schedule.command()
def remove(context: typer.Context, entry: EntryId) -> None:
    """Take an entry out, and end its run if that waits or asks. One that works goes on."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host.schedule import words as said  # noqa: PLC0415 -- quick `--help`

        removed = await front.remove_schedule(entry)
        shared.console.event(said.told(removed, "removed"), "\n".join(said.removed(removed)))
        return Exit.DONE

    at_desk(shared, work)


@schedule.command()
def pause(context: typer.Context, entry: EntryId) -> None:
    """Let an entry rest."""
    _pause(context, entry, paused=True)


@schedule.command()
def resume(context: typer.Context, entry: EntryId) -> None:
    """Let an entry go on. What fell into the pause is not made up for."""
    _pause(context, entry, paused=False)


def _pause(context: typer.Context, entry: str, *, paused: bool) -> None:
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host.schedule import words as said  # noqa: PLC0415 -- quick `--help`

        now = await front.pause_schedule(entry, paused)
        shared.console.event(said.told(now, "paused" if paused else "resumed"), "\n".join(said.lines(now)))
        return Exit.DONE

    at_desk(shared, work)
