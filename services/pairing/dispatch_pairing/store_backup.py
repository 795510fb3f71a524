"""The operator's commands `store backup` and `store restore` of a pairing service. A part of cli.py; docs/backup.md.

The database first, then the keys: a key is on the disk before the database names it.
"""

from __future__ import annotations

from typing import Annotated

import typer
from dispatch.backup.commands import BackupFile, back_up, put_back
from dispatch.backup.contents import Contents
from dispatch.cli import Console, guarded
from dispatch.clock import SystemClock

from dispatch_pairing.options import Data

CONTENTS = Contents(of="a pairing service", databases=("pairing.db",), keys=("signing.key", "signing-*.key"))

_WITHOUT_KEYS = "Its keys are not in it: put signing.key, and each signing-N.key, into the folder before it starts."


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
    """Write all that is kept into one file, also while the service runs."""
    console = Console.standard(as_json=context.obj)
    guarded(
        lambda: back_up(console, data, file, CONTENTS, keys=keys, clock=SystemClock()),
        as_json=context.obj,
    )


def _restore(context: typer.Context, file: BackupFile, data: Data) -> None:
    """Put a backup back into a folder that is empty or not there, if all of it is sound."""
    console = Console.standard(as_json=context.obj)
    guarded(lambda: put_back(console, data, file, CONTENTS, without_keys=_WITHOUT_KEYS), as_json=context.obj)
