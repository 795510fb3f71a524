"""A plan as a person reads it before they say yes: all of it, every file and its new name.

Pure. The host makes it from the bytes of the plan, never from what a worker says the plan is. Called by the driver.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

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
    writes,
)
from dispatch_host.changes.record import MOST_CHANGES, MOST_DAYS, MOST_KEPT_BYTES
from dispatch_host.markdown import block, cell, code, fenced, number, plural, size
from dispatch_host.scope import END_MISSING, Folder, around, visible

KEPT = (
    f"What is deleted or replaced is kept on this computer for {MOST_DAYS} days, so that “undo that” brings it back; less long "
    f"only when later changes need the room (the last {MOST_CHANGES} changes, {size(MOST_KEPT_BYTES)}). Then it is gone for good."
)
_LONG = 100  # steps: more are counted first
_GROUPS = 60
_AROUND = 2  # lines that are shown before and after what differs
_MOST_COMPARED = 1_000_000  # pairs of lines that are the same
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
    lines = [f"**{titled(plan)}**"]
    if written := sum(map(writes, plan.steps)):
        lines += ["", f"Writes at most {_exactly(written)}."]
    if len(plan.steps) > _LONG:
        lines += ["", *_overview(plan, folders), "", "All of it:"]
    if any(keeps(step) is not None for step in plan.steps):
        lines += ["", KEPT]
    lines += _whole(plan, folders)
    return "\n".join(lines)


def titled(plan: Plan) -> str:
    """Give a plan's title as Markdown: it is a worker's words, and none of it is markup."""
    return cell(plan.title, limit=len(plan.title))


def _whole(plan: Plan, folders: Sequence[Folder]) -> Iterator[str]:
    """Say every step, in the order in which they are done; those of a long plan by their folders, with their numbers."""
    steps = list(enumerate(plan.steps, start=1))
    numbered = False
    if len(steps) > _LONG:
        place_of = {where: index for index, where in enumerate(dict.fromkeys(map(_where, plan.steps)))}
        steps.sort(key=lambda pair: place_of[_where(pair[1])])
        numbered = [place for place, _ in steps] != list(range(1, len(steps) + 1))
    above: tuple[str, str] | None = None
    for place_in_plan, step in steps:
        here, to = _where(step)
        if (here, to) != above:
            into = f", into {code(_short(to, here))}" if to else ""
            yield f"\nIn {code(label(here, folders))}{into}:\n"
            above = here, to
        first = f"- no. {place_in_plan}: " if numbered else "- "
        yield f"{first}{code(os.path.basename(place(step))) if to else _line(step, here)}"


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
    folder = around(Path(path), folders)
    if folder is None:
        return path
    if [other.path.name for other in folders].count(folder.path.name) > 1 or not folder.path.name:
        return path
    return os.path.join(folder.path.name, os.path.relpath(path, folder.path)).removesuffix("/.")


def touched(plan: Plan, folders: Sequence[Folder]) -> list[Folder]:
    """Give the approved folders in which a plan changes something, the innermost that hold it."""
    paths = {path for step in plan.steps for path in _changed(step)}
    held = {around(Path(path).parent, folders) for path in paths}
    return sorted((folder for folder in held if folder is not None), key=lambda folder: folder.path)


def _changed(step: Step) -> Sequence[str]:
    return [path for path in (makes(step), takes(step)) if path is not None]


def _line(step: Step, here: str) -> str:
    match step:
        case MakeFolder(path):
            return f"new folder {code(_short(path, here))}"
        case Move(source, target):
            return f"{code(_short(source, here))} → {code(_short(target, here))}"
        case Write(target, content):
            return f"new file {code(_short(target, here))} ({_exactly(writes(step))}):\n\n{fenced(content)}\n"
        case Rewrite(path, _, old, new):
            return f"{code(_short(path, here))} ({_bytes(old)}, then {_bytes(new)}):\n\n{difference(old, new)}\n"
        case Delete(path, expected):
            return f"delete {code(_short(path, here))} ({size(expected.size)})"
        case RemoveFolder(path):
            return f"remove folder {code(_short(path, here))}"
        case Convert(source, target, _, How.COPY, most):
            return f"{code(_short(source, here))} → a copy, {code(_short(target, here))} ({_exactly(most)})"
        case Convert(source, target, _, How.ENTRY, most, part):
            of = code(_short(source, here))
            return f"new file {code(_short(target, here))} ({_exactly(most)}): {code(part)} out of {of}"
        case Convert(source, target, _, how, most, part):
            what, of_it = ("the text of", "as") if how is How.TEXT else ("the rows of", "sheet")
            piece = f", {of_it} {code(part)}" if part else ""
            new = f"new file {code(_short(target, here))} (at most {_exactly(most)})"
            return f"{new}: {what} {code(_short(source, here))}{piece}"
        case Zip(sources, target, base, files, total, most):
            packed = ", ".join(code(_short(source, here)) for source in sources)
            names = "" if base == here else f", under the names that they have in {code(base)}"
            return (
                f"new archive {code(_short(target, here))} of {plural(files, 'file')} "
                f"({_exactly(total)}; packed at most {_exactly(most)}): {packed}{names}"
            )


def _exactly(count: int) -> str:
    return size(count) if count < 1000 else f"{size(count)}, {number(count)} bytes"


def _bytes(words: str) -> str:
    return size(len(words.encode(errors="replace")))


def difference(old: str, new: str) -> str:
    """Show as a block what differs between words, line by line: all of it, for whoever knows the old ones."""
    return block(list(_diff(old, new)), "diff")


def _diff(old: str, new: str) -> Iterator[str]:
    """Say line by line what differs. A last line without an end, and an end of another kind, are said, too.

    Compared is what lies between the first and the last difference; where lines come again and again, a search for what both
    have would not end, and all of that goes and comes.
    """
    before, after = _lines(old), _lines(new)
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    lead = max(start - _AROUND, 0)
    gone, come = before[lead : len(before) - end], after[lead : len(after) - end]
    counts = Counter(gone)
    if sum(counts[line] * count for line, count in Counter(come).items()) <= _MOST_COMPARED:
        around = before[len(before) - end :][:_AROUND]
        gone, come = [*gone, *around], [*come, *around]
        groups = difflib.SequenceMatcher(None, gone, come, autojunk=False).get_grouped_opcodes(_AROUND)
    else:
        groups = iter([[("replace", 0, len(gone), 0, len(come))]])
    for group in groups:
        yield f"@@ line {lead + group[0][1] + 1}, then line {lead + group[0][3] + 1} @@"
        for what, from_old, to_old, from_new, to_new in group:
            if what == "equal":
                yield from (f" {line}" for line in gone[from_old:to_old])
            else:
                yield from (f"-{line}" for line in gone[from_old:to_old])
                yield from (f"+{line}" for line in come[from_new:to_new])


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the lines that both begin with."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _lines(words: str) -> list[str]:
    """Give the lines as they can be told apart when they are shown."""
    lines = [visible(line) for line in words.split("\n")]
    return lines[:-1] if not lines[-1] else [*lines[:-1], f"{lines[-1]}{END_MISSING}"]


def _short(path: str, here: str) -> str:
    inner = os.path.relpath(path, here)
    return path if inner.startswith("..") else inner
