"""`dispatch-host folders add`, `list`, `remove`: which folders agents may read or change. Added to the program by `cli`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.command import Shared, at_desk

if TYPE_CHECKING:
    from dispatch_host.front import Front

folders = typer.Typer(help="Which folders agents may read or change.", no_args_is_help=True)

_HOLDS_HOME = (
    "It holds this host's own home (its keys and journal), which agents are kept out of; they see all the rest of it."
)


@folders.command("add")
def add_folder(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The folder.", show_default=False)],
    write: Annotated[bool, typer.Option("--write", help="Agents may also change what is in it.")] = False,
) -> None:
    """Approve a folder, in force at once; again to change its access."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.api.host.v1.host_pb2 import Folder  # noqa: PLC0415 -- quick `--help`

        from dispatch_host import telling  # noqa: PLC0415

        folder = await front.add_folder(Folder(path=_absolute(path), writable=write))
        may = "read and change" if folder.writable else "read"
        told = {"event": "folder", **telling.folder(folder)}
        say_allowed(shared, told, f"Agents may {may} {folder.path}", folder.path, writable=folder.writable)
        return Exit.DONE

    at_desk(shared, work)


@folders.command("list")
def list_folders(context: typer.Context) -> None:
    """List the approved folders."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        found = (await front.list_folders()).folders
        for folder in found:
            words = f"{'read, change' if folder.writable else 'read':14}{folder.path}"
            shared.console.event({"event": "folder", **telling.folder(folder)}, words)
        if not found and not shared.as_json:
            shared.console.event({}, "No folder is approved. dispatch-host folders add PATH")
        return Exit.DONE

    at_desk(shared, work)


@folders.command("remove")
def remove_folder(
    context: typer.Context, path: Annotated[Path, typer.Argument(help="The folder.", show_default=False)]
) -> None:
    """Take an approval back, in force at once."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        absolute = _absolute(path)
        removed = await front.remove_folder(absolute)
        words = f"Agents may no longer touch {absolute}" if removed else f"{absolute} was not approved"
        shared.console.event({"event": "removed", "path": absolute, "removed": removed}, words)
        return Exit.DONE

    at_desk(shared, work)


def say_allowed(shared: Shared, told: dict[str, Any], words: str, path: str, *, writable: bool) -> None:
    """Say what is allowed from now on, and warn of a folder that holds this host's own home or code, or sockets."""
    if warnings := warnings_about(shared.home.path, path, writable=writable):
        told["warning"] = " ".join(warnings)
        words += "".join(f"\n{shared.console.styled(warning, fg='yellow')}" for warning in warnings)
    shared.console.event(told, words)


def warnings_about(home: Path, path: str, *, writable: bool) -> list[str]:
    """Give what to warn of in a folder: this host's own home or code in it, or sockets."""
    from dispatch_host.scope.looking import warnings_of  # noqa: PLC0415 -- quick `--help`
    from dispatch_host.scope.own_code import own_code  # noqa: PLC0415

    warnings = [_HOLDS_HOME] if Path(path) in home.resolve().parents else []
    return [*warnings, *warnings_of(Path(path), writable=writable, code=own_code())]


def _absolute(path: Path) -> str:
    """Give the path as others see it. Raises BadRequest for one that no message can hold."""
    absolute = os.path.abspath(path.expanduser())
    try:
        absolute.encode()
    except UnicodeEncodeError:
        raise errors.BadRequest("the path is not UTF-8; approve the folder above it") from None
    return absolute
