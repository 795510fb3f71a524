"""Renames many files by one rule: a pattern with a number, a piece replaced, something before or behind. Makes a plan."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, NothingThere
from dispatch_host.agents.builtin.markdown import code, number, plural
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.tools import planning
from dispatch_host.agents.builtin.tools.planning import Planning
from dispatch_host.changes import MOST_STEPS, Move, Plan
from dispatch_host.scope import Entry, Refused


def rename(query: Query, bench: Bench) -> Findings:
    """Plan new names for the files that a request means."""
    bench.step("Looking for the files", bench.around())
    entries, total = planning.first(planning.directly_in(query, bench), query, MOST_STEPS)
    if query.paths and query.sort is None:
        entries = planning.selected(query, bench)
    if query.sort is None:
        entries.sort(key=lambda entry: _natural(entry.path))
    if not entries:
        raise NothingThere(_none(query, bench))
    if total > MOST_STEPS and not query.count:
        text = f"Those are {number(total)} files; I rename at most {number(MOST_STEPS)} at once. Nothing was changed."
        raise CannotDo(NotDoneReason.NEEDS_AGENT, text)
    names = [_new(query.how, entry, place, len(entries), bench) for place, entry in enumerate(entries, start=1)]
    changes = [(entry, name) for entry, name in zip(entries, names, strict=True) if name != entry.name]
    if not changes:
        raise NothingThere(
            f"Nothing to rename: {plural(len(entries), 'name')} would stay as {'it is' if len(entries) == 1 else 'they are'}."
        )
    made = Planning(bench)
    for entry, _ in changes:
        made.permits(planning.absolute(entry))
    steps = _in_order(changes, made, bench)
    return Findings(
        _kept(entries, changes),
        [entry for entry, _ in changes],
        plan=Plan(f"Rename {plural(len(steps), 'file')}", tuple(steps)),
    )


def _natural(path: str) -> list[tuple[int, str]]:
    """Give what puts names in the order in which people count: photo 2 before photo 10."""
    pieces = re.split(r"([0-9]+)", path.casefold())
    # By their length without zeros in front: that is their order, and no name makes a number of thousands of digits.
    return [
        (len(piece.lstrip("0")) if place % 2 else 0, piece.lstrip("0") if place % 2 else piece)
        for place, piece in enumerate(pieces)
    ]


def _none(query: Query, bench: Bench) -> str:
    if query.paths or query.file:
        return matching.missing(query, bench)
    return f"There are no {matching.described(query)} directly in {bench.where()}; {planning.only_directly(bench)}"


def _kept(entries: Sequence[Entry], changes: Sequence[tuple[Entry, str]]) -> str:
    kept = len(entries) - len(changes)
    return f"{plural(kept, 'name')} would stay as {'it is' if kept == 1 else 'they are'}." if kept else ""


def _in_order(changes: Sequence[tuple[Entry, str]], made: Planning, bench: Bench) -> list[Move]:
    """Put the steps in an order in which each name is free when it is given. Raises CannotDo where there is none."""
    waiting = {planning.absolute(entry): entry for entry, _ in changes}
    targets: dict[str, str] = {}
    for entry, name in changes:
        source = planning.absolute(entry)
        target = os.path.join(os.path.dirname(source), planning.new_name(name))
        if made.is_given(target):
            raise _taken(f"two files would be called {code(name)}")
        made.give(target)
        targets[source] = target
        if target not in waiting and not made.is_free(target) and not _is_itself(target, entry, made):
            raise _taken(f"{code(bench.show(entry))} can't be called {code(name)}, for that is already there")
    steps: list[Move] = []
    while waiting:
        ready = [source for source in waiting if targets[source] not in waiting]
        if not ready:
            raise _taken("some of them would take each other's names")
        steps += [Move(source, targets[source], planning.facts(waiting.pop(source))) for source in ready]
    return steps


def _is_itself(target: str, entry: Entry, made: Planning) -> bool:
    """Tell whether the name in the way is the file's own: on some disks it is, when only its case changes."""
    try:
        return made.hands.facts(target).inode == entry.inode
    except Refused:
        return False


def _taken(why: str) -> CannotDo:
    return CannotDo(NotDoneReason.INPUT_UNREADABLE, f"That can't be done as it stands: {why}. Nothing was changed.")


def _new(how: Sequence[str], entry: Entry, place: int, total: int, bench: Bench) -> str:
    """Give the new name of one file."""
    name = entry.name
    stem, ending = os.path.splitext(name)
    match tuple(how):
        case ("name", said):
            planning.new_name(said)
            keeps = "." in said.strip(".") and total == 1
            if total > 1:
                return f"{_filled(f'{said} {{n}}', entry, place, total, bench)}{ending}"
            return said if keeps or not ending else f"{said}{ending}"
        case ("template", said):
            filled = _filled(said, entry, place, total, bench)
            return filled if not ending or filled.casefold().endswith(ending.casefold()) else f"{filled}{ending}"
        case ("replace", old, new):
            if old not in stem and old.casefold() in stem.casefold():
                return f"{re.sub(re.escape(old), lambda _: new, stem, flags=re.IGNORECASE)}{ending}"
            return f"{stem.replace(old, new)}{ending}"
        case ("prefix", said):
            return f"{_filled(said, entry, place, total, bench)}{name}"
        case ("suffix", said):
            return f"{stem}{_filled(said, entry, place, total, bench)}{ending}"
        case ("ending", said):
            return f"{stem}{said}"
        case ("case", said):
            return name.upper() if said == "upper" else name.lower()
    raise AssertionError(how)


def _filled(said: str, entry: Entry, place: int, total: int, bench: Bench) -> str:
    """Put the number and the date where the pattern has them. Numbers are as wide as the last one needs."""
    width = len(str(total))
    filled = re.sub(
        r"\{(n+)\}", lambda found: str(place).zfill(max(len(found[1]), width if len(found[1]) == 1 else 1)), said
    )
    return filled.replace("{date}", bench.modified(entry).date().isoformat())
