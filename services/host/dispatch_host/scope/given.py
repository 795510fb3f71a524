"""Which of the approved folders one program is given: that in which it starts and those that its words name. Pure.

Called by who asks a person, and by the terminal, which looks again at what is approved when the program starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dispatch_host.scope.folder import Folder


def given(at: Path, words: Iterable[str], approved: Sequence[Folder], *, home: Path) -> list[Folder]:
    """Choose the folders of a program that starts `at` a path: the innermost approved one that has it, and those named in words.

    What is approved by itself within one of them comes with it, so that it keeps its own right.
    """
    said = "\n".join(words)
    chosen = [folder.path for folder in approved if any(_names(said, name) for name in _written(folder.path, home))]
    if (start := around(at, approved)) is not None:
        chosen.append(start.path)
    within = [folder for folder in approved if any(folder.path.is_relative_to(path) for path in chosen)]
    return sorted(dict.fromkeys(within), key=lambda folder: str(folder.path))


def still_given(chosen: Sequence[Folder], approved: Sequence[Folder]) -> list[Folder] | None:
    """Look at what was chosen in the light of what is approved now: None when it is more, and no more than that otherwise."""
    for folder in chosen:
        above = around(folder.path, approved)
        if above is None or (folder.writable and not above.writable):
            return None
    inner = []
    for folder in approved:
        above = around(folder.path, chosen)
        if above is not None and above.path != folder.path:
            inner.append(Folder(folder.path, folder.writable and above.writable))
    return [*chosen, *inner]


def around(path: Path, folders: Sequence[Folder]) -> Folder | None:
    """Give the innermost of some folders that is a path or has it in it."""
    found = [folder for folder in folders if path.is_relative_to(folder.path)]
    return max(found, key=lambda folder: len(folder.path.parts), default=None)


def _written(path: Path, home: Path) -> list[str]:
    """Write a path in the ways in which words name it."""
    return [str(path), *([f"~/{path.relative_to(home)}"] if path != home and path.is_relative_to(home) else [])]


def _names(words: str, name: str) -> bool:
    return re.search(rf"(?<![\w/.~-]){re.escape(name)}(?![\w.-])", words) is not None
