"""Where a program starts, and what it may do in which folders: found, and put into words, before a person is asked.

Called by whoever asks to start a program: the built-in assistant, a model's tools, skills, external agents. What is given in
the end, the terminal decides from what is approved by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dispatch_host.agents.asking import JSON
from dispatch_host.scope import (
    Folder,
    FolderNotApproved,
    KeptOut,
    NoSuchFolder,
    Refused,
    Scope,
    SeveralFolders,
    find_folder,
)


class NoPlace(Exception):
    """No program starts there. The message is a sentence, and names nothing that was not said."""


def start(said: str, folders: Sequence[Folder], *, home: Path, keep_out: Sequence[KeptOut]) -> Path:
    """Find the folder in which a program is to start, as it is called on the disk. Blocking. Raises NoPlace."""
    with Scope(folders, keep_out=keep_out) as scope:
        try:
            place = find_folder(scope, said, home=str(home))
            if not place.root.stat(place.path).is_dir:
                raise NoPlace("That is no folder.")
        except FolderNotApproved:
            raise NoPlace("That folder is not approved.") from None
        except (NoSuchFolder, Refused):
            raise NoPlace("There is no such folder.") from None
        except SeveralFolders:
            raise NoPlace("Several folders have this name. Say the whole path.") from None
        return Path(place.root.absolute(place.path))


def where(folder: Path, home: Path) -> str:
    """Write a folder as people do."""
    return str(Path("~") / folder.relative_to(home)) if folder.is_relative_to(home) else str(folder)


def rights(folders: Sequence[Folder], written: Callable[[str], str], *, home: Path, confined: bool) -> list[str]:
    """Say what a program may do where; without a sandbox nothing of the kind can be said."""
    kinds = (("change", True), ("only read", False)) if confined else ()
    found = [
        (verb, [written(where(one.path, home)) for one in folders if one.writable is kind]) for verb, kind in kinds
    ]
    return [f"may {verb} {' and '.join(paths)}" for verb, paths in found if paths]


def to_json(folders: Sequence[Folder]) -> JSON:
    """Write the folders of a program into the action that a person says yes to."""
    return [[str(folder.path), folder.writable] for folder in folders]


def from_json(said: Sequence[tuple[str, bool]]) -> list[Folder]:
    """Read them back from it."""
    return [Folder(Path(path), writable) for path, writable in said]
