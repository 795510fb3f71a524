"""What a model may call files and folders, made into the paths that the tools take. Pure: what may be opened, the scope decides."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dispatch_host.agents.agent import Task
from dispatch_host.agents.toolbox import ToolFailed
from dispatch_host.scope import Folder, around

ATTACHED = "attached:"
"""Before the name of a file that came with the task: the inbox is in the host's own home, and its path is nobody's business."""


def absolute(said: str, folders: Sequence[Folder], home: Path) -> str:
    """Give the path that is meant by a path, by `~/…`, or by an approved folder's name and what lies in it.

    What is none of these stays as it is: a file's name, to be looked for.
    """
    if said.startswith("/"):
        return said
    if said == "~" or said.startswith("~/"):
        return os.path.join(home, said[2:])
    first, _, rest = said.removeprefix("./").partition("/")
    named = [folder for folder in folders if folder.path.name == first]
    if len(named) > 1:
        raise ToolFailed(f"Several folders are called {first}. Say the whole path.")
    return os.path.join(named[0].path, rest).rstrip("/") if named else said


def attachment(said: str, task: Task) -> str:
    """Give the path of a file that came with the thread. Raises ToolFailed."""
    name = said.removeprefix(ATTACHED)
    for path in task.attachments:
        if path.name == name:
            return str(path)
    if task.inbox is None or name != os.path.basename(name) or name in ("", ".", ".."):
        raise ToolFailed("No such file came with this task.")
    return os.path.join(task.inbox, name)


def meant(paths: Sequence[str], folders: Sequence[Folder]) -> Sequence[Folder]:
    """Give the approved folders that these paths lie in; all, where that is not to be told from the paths."""
    found: set[Folder] = set()
    for path in paths:
        if not path.startswith("/"):
            return folders
        if (holding := around(Path(os.path.normpath(path)), folders)) is not None:
            found.add(holding)
    return [folder for folder in folders if folder in found] if paths else folders


def outside(paths: Sequence[str], folders: Sequence[Folder]) -> str | None:
    """Give the first path that leads out of all folders; None when none does, or only a look can tell."""
    for path in paths:
        plain = os.path.normpath(path)
        leads_up = not path.startswith("/") and (plain == ".." or plain.startswith("../"))
        if leads_up or (path.startswith("/") and not any(Path(plain).is_relative_to(one.path) for one in folders)):
            return plain if path.startswith("/") else os.path.normpath(os.path.join("/", path))
    return None
