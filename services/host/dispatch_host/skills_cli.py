"""`dispatch-host skills`, `skills add` and `remove`: instructions for a language model. Added to the program by `cli`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from dispatch.cli import Exit
from dispatch.plain import one_line

from dispatch_host.command import Shared, at_desk

if TYPE_CHECKING:
    from dispatch_host.front import Front

skills = typer.Typer(help="Skills: folders with instructions for a language model.")

Where = Annotated[Path, typer.Argument(help="A folder with a folder for each skill.", show_default=False)]


@skills.callback(invoke_without_command=True)
def list_when_alone(context: typer.Context) -> None:
    """Folders with instructions for a language model; alone it lists the skills."""
    if context.invoked_subcommand is None:
        list_skills(context)


@skills.command("list")
def list_skills(context: typer.Context) -> None:
    """List the skills, the bad ones with what is wrong."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        found = await front.list_skills()
        for one in found.skills:
            wrong = "; ".join(one.mistakes)
            shared.console.event(
                {
                    "event": "skill",
                    "skill": one.name,
                    "about": one.about,
                    "folder": one.folder,
                    "usable": not one.mistakes,
                    "mistakes": list(one.mistakes),
                },
                f"{one_line(one.name, 80)}: {one_line(f'NOT USED: {wrong}' if wrong else one.about, 300)}",
            )
        if not found.skills and not shared.as_json:
            shared.console.event({}, f"There are none in {', '.join(found.folders)}.")
        return Exit.DONE

    at_desk(shared, work)


@skills.command("add")
def add(context: typer.Context, path: Where) -> None:
    """Add a folder that skills lie in, in force at once."""
    _set(context, path, remove=False)


@skills.command("remove")
def remove(context: typer.Context, path: Where) -> None:
    """Remove a folder from the list, in force at once."""
    _set(context, path, remove=True)


def _set(context: typer.Context, path: Path, *, remove: bool) -> None:
    shared: Shared = context.obj
    absolute = os.path.abspath(path.expanduser())

    async def work(front: Front) -> Exit:
        changed = (await front.set_skill_folder(absolute, remove=remove)).changed
        word = "Removed" if remove else "Added"
        shared.console.event(
            {"event": "skill_folder", "path": absolute, "removed": remove, "changed": changed},
            f"{word} {absolute}" if changed else f"{absolute} was {'not there' if remove else 'there already'}",
        )
        return Exit.DONE

    at_desk(shared, work)
