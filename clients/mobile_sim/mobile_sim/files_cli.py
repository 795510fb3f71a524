"""The words of `files` and `files get`, and what `send` shares with them: paths, and how large a file may be. Added by `cli`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from dispatch import errors

from mobile_sim.command import Host, Request, Shared, run

LARGEST_BYTES = 4 * 1024**3
_MOST_DIGITS = 15

files = typer.Typer(
    name="files", help="List the files of the thread, and fetch those that came back.", invoke_without_command=True
)


@files.callback()
def list_files(context: typer.Context, host: Host = None) -> None:
    """List the files of the thread: what was attached, and what came back. Works without a network."""
    if context.invoked_subcommand is None:
        run(context, lambda: {"do": "files", "host": host}, nothing="No files yet.")


@files.command("get")
def get_file(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="ID|NAME", help="Its id, the beginning of it, or its name.")],
    into: Annotated[Path, typer.Option("--into", help="The folder to put it into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file of that name.")] = False,
    host: Host = None,
) -> None:
    """Fetch a file that came back. After a cut, or Ctrl-C, the same command goes on where it stopped."""
    request = {"do": "files_get", "what": what, "into": absolute(into), "force": force, "host": host}
    run(context, lambda: request | most_bytes(context))


def most_bytes(context: typer.Context) -> Request:
    """Give how large a file may be, as the environment has it. Raises BadRequest."""
    shared: Shared = context.obj
    text = shared.environment.get("DISPATCH_PHONE_FILE_BYTES", str(LARGEST_BYTES))
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) == 0:
        raise errors.BadRequest(
            f"DISPATCH_PHONE_FILE_BYTES={text!r} is not a number of bytes above 0", metadata={"field": "environment"}
        )
    return {"most_bytes": int(text)}


def absolute(path: Path) -> str:
    """Give a path as the process that owns the home sees it: it may stand in another folder."""
    return os.path.abspath(path.expanduser())
