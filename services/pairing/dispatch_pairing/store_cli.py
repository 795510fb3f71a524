"""The operator's commands of the group `store`: docs/operations.md, docs/backup.md. A part of cli.py."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from dispatch.cli import Console, Exit, guarded

from dispatch_pairing import store_backup
from dispatch_pairing.options import Data, Database, storage

store = typer.Typer(help="What the service keeps: its version, and backups of it.", no_args_is_help=True)
store_backup.add_to(store)


@store.command("version")
def version(context: typer.Context, data: Data, database: Database = None) -> None:
    """Say which version the store has, and which one this program knows."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`
        from dispatch_pairing.tables import REVISION  # noqa: PLC0415 -- as above

        found = asyncio.run(schema.version(storage(data, database).place()))
        console.event(
            {"event": "store", "version": found, "known": REVISION},
            f"The store has version {found or 'none: nothing is in it yet'}; this program knows up to {REVISION}.",
        )
        return Exit.DONE

    guarded(run, as_json=context.obj)


@store.command("upgrade")
def upgrade(context: typer.Context, data: Data, database: Database = None) -> None:
    """Bring the store to the version of this program, as `serve` does by itself. Make a backup first."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`

        before, now = asyncio.run(schema.upgrade(storage(data, database).place()))
        console.event(
            {"event": "store", "version": now, "before": before},
            f"The store has version {now}"
            + (" already." if before == now else f"; before, it had {before or 'none'}."),
        )
        return Exit.DONE

    guarded(run, as_json=context.obj)


@store.command("downgrade")
def downgrade(
    context: typer.Context,
    data: Data,
    database: Database = None,
    to: Annotated[str | None, typer.Option(help="The version to bring it to; one below, if not said.")] = None,
) -> None:
    """Bring the store to an older version, for an older program. No service may run meanwhile; make a backup first."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`

        now = asyncio.run(schema.downgrade(storage(data, database).place(), to))[1]
        console.event({"event": "store", "version": now}, f"The store has version {now}.")
        return Exit.DONE

    guarded(run, as_json=context.obj)
