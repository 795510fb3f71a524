"""The operator's commands for the schema of the store: `store version|upgrade|downgrade`. A part of cli.py."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from dispatch.cli import Console, Exit, guarded

from dispatch_pairing.options import Data, Database, storage

store = typer.Typer(
    help="See and change the schema of the store. docs/operations.md, Migrations.", no_args_is_help=True
)


@store.command("version")
def version(context: typer.Context, data: Data, database: Database = None) -> None:
    """Tell which schema the store has, and which this version needs."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`
        from dispatch_pairing.tables import REVISION  # noqa: PLC0415 -- as above

        found = asyncio.run(schema.version(storage(data, database).place()))
        told = {"event": "schema", "version": found, "needed": REVISION}
        console.event(told, f"The store has schema {found or 'none'}, this version needs {REVISION}.")
        return Exit.DONE

    guarded(run, as_json=context.obj)


@store.command("upgrade")
def upgrade(context: typer.Context, data: Data, database: Database = None) -> None:
    """Bring the store to the schema that this version needs, as `serve` does by itself. Make a backup first."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`

        before, now = asyncio.run(schema.upgrade(storage(data, database).place()))
        _tell(console, before, now)
        return Exit.DONE

    guarded(run, as_json=context.obj)


@store.command("downgrade")
def downgrade(
    context: typer.Context,
    to: Annotated[str, typer.Argument(help="The schema to go back to, as `store version` writes it.")],
    data: Data,
    database: Database = None,
) -> None:
    """Bring the store back to an older schema, for an older version. Stop every service, and make a backup first."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        from dispatch_pairing.sql import schema  # noqa: PLC0415 -- quick `--help`

        before, now = asyncio.run(schema.downgrade(storage(data, database).place(), to))
        _tell(console, before, now)
        return Exit.DONE

    guarded(run, as_json=context.obj)


def _tell(console: Console, before: str | None, now: str) -> None:
    words = (
        f"The store has schema {now} already." if before == now else f"The store went from {before or 'none'} to {now}."
    )
    console.event({"event": "schema", "before": before, "version": now}, words)
