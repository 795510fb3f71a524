"""What `store backup` and `store restore` do and say, the same in every program. Called by their `store_backup` modules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dispatch.backup import archive
from dispatch.backup.contents import Contents
from dispatch.cli import Console, Exit
from dispatch.clock import Clock
from dispatch.version import APP_VERSION

BackupFile = Annotated[
    Path, typer.Argument(help="The backup: one file, for its owner's eyes only.", show_default=False)
]


def back_up(console: Console, folder: Path, file: Path, contents: Contents, *, keys: bool, clock: Clock) -> Exit:
    """Write a backup and say what is in it. Raises BadRequest, StoreFailed."""
    made = archive.write(folder, file, contents, keys=keys, now_ms=clock.wall_ms(), version=APP_VERSION)
    size = sum(entry.bytes for entry in made.entries)
    told = {
        "event": "backed_up", "file": str(file), "files": len(made.entries), "bytes": size, "keys": made.keys,
        "made_at": made.made_at_ms,
    }  # fmt: skip
    has = "with its keys: whoever has it can be this program" if made.keys else "without keys"
    console.event(told, f"{file} holds {len(made.entries)} files, {size:,} bytes, {has}.")
    return Exit.DONE


def put_back(console: Console, folder: Path, file: Path, contents: Contents, *, without_keys: str) -> Exit:
    """Put a backup back and say what was in it; `without_keys` is what to do when the keys were not.

    Raises BadRequest, StoreFailed.
    """
    made = archive.restore(file, folder, contents)
    told = {
        "event": "restored", "folder": str(folder), "files": len(made.entries), "keys": made.keys, "made_at": made.made_at_ms,
        "version": made.version,
    }  # fmt: skip
    console.event(
        told,
        f"{folder} is as it was when the backup was made, {len(made.entries)} files."
        + ("" if made.keys else f" {without_keys}"),
    )
    return Exit.DONE
