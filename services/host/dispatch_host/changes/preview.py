"""A plan as a person reads it before they say yes: all of it, every file and its new name.

Pure. The host makes it from the bytes of the plan, never from what a worker says the plan is. Called by the driver.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from dispatch_host.changes.plan import Convert, How, MakeFolder, Move, Plan, Step, Write, Zip, makes, reads
from dispatch_host.markdown import code, number, plural, size
from dispatch_host.scope import Folder

_CONTENT = 2000  # characters shown of a new file's words


def preview(plan: Plan, folders: Sequence[Folder]) -> str:
    """Show the whole of a plan as Markdown."""
    lines = [f"**{plan.title}**"]
    above = None
    for step in plan.steps:
        here = os.path.dirname(reads(step) or makes(step))
        if here != above:
            lines.append(f"\nIn {code(label(here, folders))}:\n")
            above = here
        lines.append(f"- {_line(step, here)}")
    return "\n".join(lines)


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
    return [step.source, step.target] if isinstance(step, Move) else [makes(step)]


def _within(path: str, folder: Folder) -> bool:
    return path.startswith(f"{str(folder.path).rstrip('/')}/")


def _line(step: Step, here: str) -> str:
    match step:
        case MakeFolder(path):
            return f"new folder {code(_short(path, here))}"
        case Move(source, target):
            return f"{code(_short(source, here))} → {code(_short(target, here))}"
        case Write(target, content):
            cut = content if len(content) <= _CONTENT else f"{content[:_CONTENT]}…"
            return f"new file {code(_short(target, here))} ({size(len(content.encode(errors='replace')))}): {code(cut)}"
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


def _short(path: str, here: str) -> str:
    inner = os.path.relpath(path, here)
    return path if inner.startswith("..") else inner
