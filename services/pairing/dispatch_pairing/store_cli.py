"""The operator's commands of the group `store`: docs/operations.md, docs/backup.md. A part of cli.py."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from dispatch.cli import Console, Exit, guarded
from dispatch.store_versions import say_downgraded, say_upgraded, say_version

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

        return say_version(console, asyncio.run(schema.version(storage(data, database).place())), known=REVISION)

    guarded(run, as_json=context.obj)


@store.command("upgrade")
def upgrade(context: typer.Context, data: Data, database: Database = None) -> None:
    """Bring the store to the version of this program, as `serve` does by itself. Make a backup first."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`

        before, now = asyncio.run(schema.upgrade(storage(data, database).place()))
        return say_upgraded(console, before, now=now)

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

        return say_downgraded(console, now=asyncio.run(schema.downgrade(storage(data, database).place(), to))[1])

    guarded(run, as_json=context.obj)
