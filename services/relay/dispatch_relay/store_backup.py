"""The operator's commands `store backup` and `store restore` of a relay. A part of cli.py; docs/backup.md.

What the pairing service said is copied last, so that it is as new as the backup can have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from dispatch.backup.commands import BackupFile, back_up, put_back
from dispatch.backup.contents import Contents
from dispatch.cli import Console, guarded
from dispatch.clock import SystemClock

CONTENTS = Contents(of="a relay", databases=("relay.sqlite3", "trust.sqlite3"), keys=("vapid.pem",))

_WITHOUT_KEYS = (
    "Its VAPID key is not in it: put vapid.pem into the folder, or phones are called again only when they come by."
)

Data = Annotated[Path, typer.Option("--data", help="Folder with all of the relay's state.", show_default=False)]


def add_to(store: typer.Typer) -> None:
    """Add both commands to the group `store`."""
    store.command("backup")(_backup)
    store.command("restore")(_restore)


def _backup(
    context: typer.Context,
    file: BackupFile,
    data: Data,
    keys: Annotated[bool, typer.Option(help="Whether the keys are in it, too.")] = True,
) -> None:
    """Write all that is kept into one file, also while the relay runs."""
    console = Console.standard(as_json=context.obj)
    guarded(
        lambda: back_up(console, data, file, CONTENTS, keys=keys, clock=SystemClock()),
        as_json=context.obj,
    )


def _restore(context: typer.Context, file: BackupFile, data: Data) -> None:
    """Put a backup back into a folder that is empty or not there, if all of it is sound."""
    console = Console.standard(as_json=context.obj)
    guarded(lambda: put_back(console, data, file, CONTENTS, without_keys=_WITHOUT_KEYS), as_json=context.obj)
