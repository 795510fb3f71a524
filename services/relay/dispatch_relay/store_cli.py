"""The operator's commands of the group `store`: docs/operations.md, docs/backup.md. A part of cli.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from dispatch.cli import Console, Exit, guarded
from dispatch.errors import BadRequest
from dispatch.store_versions import say_downgraded, say_upgraded, say_version

from dispatch_relay import store_backup
from dispatch_relay.store_backup import Data

store = typer.Typer(help="What the relay keeps: its version, and backups of it.", no_args_is_help=True)
store_backup.add_to(store)

Database = Annotated[
    Path | None, typer.Option(help="File with the address of a PostgreSQL database, in place of SQLite in the folder.")
]


@store.command("version")
def store_version(context: typer.Context, *, data: Data, database: Database = None) -> None:
    """Say which version the store has, and which one this program knows."""
    from dispatch_relay import migrating  # noqa: PLC0415 -- a database's driver takes longer to import than `--help` may

    def run(console: Console) -> Exit:
        from dispatch_relay.migrations import HEAD  # noqa: PLC0415 -- as above

        return say_version(console, migrating.version(data, database), known=HEAD)

    _on_store(context, run)


@store.command("upgrade")
def store_upgrade(context: typer.Context, *, data: Data, database: Database = None) -> None:
    """Bring the store to the version of this program, or make it. `serve` does so by itself."""
    from dispatch_relay import migrating  # noqa: PLC0415 -- as above

    def run(console: Console) -> Exit:
        from dispatch_relay.migrations import HEAD  # noqa: PLC0415 -- as above

        return say_upgraded(console, migrating.upgrade(data, database), now=HEAD)

    _on_store(context, run)


@store.command("downgrade")
def store_downgrade(
    context: typer.Context,
    *,
    data: Data,
    database: Database = None,
    to: Annotated[str | None, typer.Option(help="The version to bring it to; one below, if not said.")] = None,
) -> None:
    """Bring the store to an older version, for an older program. No relay may run meanwhile."""
    from dispatch_relay import migrating  # noqa: PLC0415 -- as above

    def run(console: Console) -> Exit:
        return say_downgraded(console, now=migrating.downgrade(data, database, to=to))

    _on_store(context, run)


def _on_store(context: typer.Context, run: Callable[[Console], Exit]) -> None:
    console = Console.standard(as_json=context.obj)

    def guard() -> Exit:
        try:
            return run(console)
        except ValueError as failure:
            raise BadRequest(str(failure)) from failure
        except OSError as failure:
            console.event({"event": "failed", "text": str(failure)}, console.styled(str(failure), fg="red"))
            return Exit.FAULT

    guarded(guard, as_json=context.obj)
