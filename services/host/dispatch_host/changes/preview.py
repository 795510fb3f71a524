"""A plan as a person reads it before they say yes: all of it, every file and its new name.

Pure. The host makes it from the bytes of the plan, never from what a worker says the plan is. Called by the driver.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence

from dispatch_host.changes.plan import (
    Convert,
    Delete,
    How,
    MakeFolder,
    Move,
    Plan,
    RemoveFolder,
    Rewrite,
    Step,
    Write,
    Zip,
    keeps,
    makes,
    place,
    reads,
    takes,
)
from dispatch_host.changes.record import MOST_CHANGES, MOST_DAYS, MOST_KEPT_BYTES
from dispatch_host.markdown import code, fenced, number, plural, size
from dispatch_host.scope import Folder

KEPT = (
    f"What is deleted or replaced is kept on this computer for {MOST_DAYS} days, so that “undo that” brings it back; less long "
    f"only when later changes need the room (the last {MOST_CHANGES} changes, {size(MOST_KEPT_BYTES)}). Then it is gone for good."
)
_LONG = 100  # steps: more are counted first
_GROUPS = 60
_KINDS: dict[type[Step], str] = {
    MakeFolder: "new folder",
    Move: "moved here",
    Write: "new file",
    Rewrite: "changed words",
    Delete: "deleted",
    RemoveFolder: "removed folder",
    Convert: "new file",
    Zip: "new archive",
}


def preview(plan: Plan, folders: Sequence[Folder]) -> str:
    """Show the whole of a plan as Markdown. Of a long one it begins with what there is, how many, the first and the last."""
    lines = [f"**{plan.title}**"]
    if len(plan.steps) > _LONG:
        lines += ["", *_overview(plan, folders), "", "All of it:"]
    if any(keeps(step) is not None for step in plan.steps):
        lines += ["", KEPT]
    lines += _whole(plan, folders)
    return "\n".join(lines)


def _whole(plan: Plan, folders: Sequence[Folder]) -> Iterator[str]:
    """Say every step, in the order in which they are done; those of a long plan by their folders."""
    steps = list(plan.steps)
    if len(steps) > _LONG:
        place_of = {where: index for index, where in enumerate(dict.fromkeys(map(_where, steps)))}
        steps.sort(key=lambda step: place_of[_where(step)])
    above: tuple[str, str] | None = None
    for step in steps:
        here, to = _where(step)
        if (here, to) != above:
            into = f", into {code(_short(to, here))}" if to else ""
            yield f"\nIn {code(label(here, folders))}{into}:\n"
            above = here, to
        yield f"- {code(os.path.basename(place(step)))}" if to else f"- {_line(step, here)}"


def _where(step: Step) -> tuple[str, str]:
    """Give the folder of a step, and the folder that a file is moved into under the name that it has."""
    here = os.path.dirname(reads(step) or place(step))
    if isinstance(step, Move) and os.path.basename(step.source) == os.path.basename(step.target):
        return here, os.path.dirname(step.target)
    return here, ""


def _overview(plan: Plan, folders: Sequence[Folder]) -> Iterator[str]:
    """Count the steps by what they do and where, and show the first and the last of each."""
    groups: dict[tuple[str, str], list[Step]] = {}
    for step in plan.steps:
        groups.setdefault((_KINDS[type(step)], os.path.dirname(place(step))), []).append(step)
    for (kind, where), steps in list(groups.items())[:_GROUPS]:
        names = [code(os.path.basename(place(step))) for step in steps]
        shown = ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]}, … {names[-1]}"
        yield f"- {number(len(steps))} × {kind} in {code(label(where, folders))}: {shown}"
    if len(groups) > _GROUPS:
        yield f"- … and {plural(len(groups) - _GROUPS, 'more folder')}"


def label(path: str, folders: Sequence[Folder]) -> str:
    """Name a path for a person: the approved folder and the path in it."""
    holding = [folder for folder in folders if folder.path == type(folder.path)(path) or _within(path, folder)]
    if not holding:
        return path
    folder = max(holding, key=lambda candidate: len(candidate.path.parts))
    if [other.path.name for other in folders].count(folder.path.name) > 1 or not folder.path.name:
        return path
    return os.path.join(folder.path.name, os.path.relpath(path, folder.path)).removesuffix("/.")


def touched(plan: Plan, folders: Sequence[Folder]) -> list[Folder]:
    """Give the approved folders in which a plan changes something, the innermost that hold it."""
    paths = {path for step in plan.steps for path in _changed(step)}
    holding = [[folder for folder in folders if _within(path, folder)] for path in paths]
    held = {max(found, key=lambda folder: len(folder.path.parts)) for found in holding if found}
    return sorted(held, key=lambda folder: folder.path)


def _changed(step: Step) -> Sequence[str]:
    return [path for path in (makes(step), takes(step)) if path is not None]


def _within(path: str, folder: Folder) -> bool:
    return path.startswith(f"{str(folder.path).rstrip('/')}/")


def _line(step: Step, here: str) -> str:
    match step:
        case MakeFolder(path):
            return f"new folder {code(_short(path, here))}"
        case Move(source, target):
            return f"{code(_short(source, here))} → {code(_short(target, here))}"
        case Write(target, content):
            return f"new file {code(_short(target, here))} ({_bytes(content)}):\n\n{fenced(content)}\n"
        case Rewrite(path, _, old, new):
            return f"{code(_short(path, here))} ({_bytes(old)}, then {_bytes(new)}):\n\n{fenced(_diff(old, new), 'diff')}\n"
        case Delete(path, expected):
            return f"delete {code(_short(path, here))} ({size(expected.size)})"
        case RemoveFolder(path):
            return f"remove folder {code(_short(path, here))}"
        case Convert(source, target, _, How.COPY):
            return f"{code(_short(source, here))} → a copy, {code(_short(target, here))}"
        case Convert(source, target, _, How.ENTRY, part):
            return f"new file {code(_short(target, here))}: {code(part)} out of {code(_short(source, here))}"
        case Convert(source, target, _, how, part):
            sheet = f", sheet {code(part)}" if part else ""
            what = "the text of" if how is How.TEXT else "the rows of"
            return f"new file {code(_short(target, here))}: {what} {code(_short(source, here))}{sheet}"
        case Zip(sources, target, _, files, total):
            packed = ", ".join(code(_short(source, here)) for source in sources)
            return (
                f"new archive {code(_short(target, here))} of {plural(files, 'file')} "
                f"({size(total)}, {number(total)} bytes): {packed}"
            )


def _bytes(words: str) -> str:
    return size(len(words.encode(errors="replace")))


def _diff(old: str, new: str) -> str:
    """Say line by line what differs. A last line without an end, and an end of another kind, are said, too."""
    lines = difflib.unified_diff(_lines(old), _lines(new), "before", "after", lineterm="", n=2)
    return "\n".join(lines)


def _lines(words: str) -> list[str]:
    """Give the lines as they can be told apart when they are shown."""
    lines = words.split("\n")
    ends = [f"{line[:-1]}␍" if line.endswith("\r") else line for line in lines]
    return ends[:-1] if not ends[-1] else [*ends[:-1], f"{ends[-1]}␃"]


def _short(path: str, here: str) -> str:
    inner = os.path.relpath(path, here)
    return path if inner.startswith("..") else inner
