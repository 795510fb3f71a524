"""The commands `store backup` and `store restore` of a host. A part of cli.py; docs/backup.md.

Without keys unless they are asked for: a backup lies where a home does not, and whoever has a device's keys is the device.
"""

from __future__ import annotations

from typing import Annotated

import typer
from dispatch.backup.commands import BackupFile, back_up, put_back
from dispatch.backup.contents import Contents
from dispatch.cli import guarded
from dispatch.clock import SystemClock

from dispatch_host.command import Shared

CONTENTS = Contents(
    of="a host",
    databases=("journal.db",),
    # With the keys what they are of use with: at which service, in which account, and by which keys that is known.
    keys=("keys/*", "keys/.*", "sign-in.json", "service-keys"),
    others=("agents.toml", "connectors.json", "skills", "attachments", "changes", "pictures"),
)

_WITHOUT_KEYS = "Its keys are not in it: sign in and pair again, and each thread goes on."


def add_to(store: typer.Typer) -> None:
    """Add both commands to the group `store`."""
    store.command("backup")(_backup)
    store.command("restore")(_restore)


def _backup(
    context: typer.Context,
    file: BackupFile,
    keys: Annotated[
        bool, typer.Option(help="Whether the keys are in it, too: whoever has the file then is this computer.")
    ] = False,
) -> None:
    """Write the home into one file, also while the host runs."""
    shared: Shared = context.obj

    def body() -> int:
        from dispatch.device.os_keyring import MARK  # noqa: PLC0415 -- quick `--help`

        home = shared.home.path
        # In the keyring of the operating system they are not this folder's to give.
        there = keys and not (home / "keys" / MARK).exists()
        return back_up(shared.console, home, file, CONTENTS, keys=there, clock=SystemClock())

    guarded(body, as_json=shared.as_json, language=shared.language)


def _restore(context: typer.Context, file: BackupFile) -> None:
    """Put a backup back into a home that is empty or not there, if all of it is sound."""
    shared: Shared = context.obj
    guarded(
        lambda: put_back(shared.console, shared.home.path, file, CONTENTS, without_keys=_WITHOUT_KEYS),
        as_json=shared.as_json,
        language=shared.language,
    )
