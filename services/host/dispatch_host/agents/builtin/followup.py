"""Completes a request that only makes sense after another one: "and the second one?", "now as a list", "only the PDFs".

Pure: takes what was said now and what the thread remembers, gives the whole request. Called by program.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dispatch_host.agents.builtin import slots
from dispatch_host.agents.builtin.matching import named, of_kind
from dispatch_host.agents.builtin.memory import Memory
from dispatch_host.agents.builtin.parse import Parsed
from dispatch_host.agents.builtin.query import CHANGES, USUAL, Action, Query, Sort

_ONE_FILE = frozenset({Action.HEAD, Action.ROWS, Action.SUMMARISE, Action.READ, Action.MEASURE, Action.SEND})
_TARGETS = frozenset({"name", "file", "attached", "places", "since", "until", "minimum_bytes", "maximum_bytes"})
_PAGED = frozenset({Action.LARGEST, Action.CHANGED, Action.FIND, Action.HEAD})


class NothingEarlier(Exception):
    """The request refers to an earlier answer that is not there."""


class NoSuchItem(Exception):
    """The earlier answer has fewer items."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


@dataclass(frozen=True, slots=True)
class Complete:
    """A whole request, and the list it was picked from, which later picks go on from."""

    query: Query
    picked_from: tuple[str, ...] = ()


def complete(parsed: Parsed, text: str, memories: Sequence[Memory]) -> Complete | None:
    """Give the whole request; None when it is not understood. `memories` are oldest first."""
    last = memories[-1] if memories else None
    if last is not None and last.asked and (answer := _answered(parsed, text, last)) is not None:
        return answer
    if not parsed.understood:
        return None
    own = parsed.slots.keys() & _TARGETS
    if parsed.action in CHANGES and not own:
        return _to_change(parsed, text, memories)
    if parsed.pick is not None and not (parsed.action is not None and own):
        return _picked(parsed, memories)
    if parsed.action is None:
        return _changed(parsed, last)
    if parsed.joins and parsed.action is Action.FIND and not own and last is not None:
        return _changed(replace(parsed, action=None), last)  # "show only PDFs"
    query = Query(action=parsed.action, **parsed.slots)
    afresh = parsed.action is Action.SEND and parsed.slots.keys() & {"sort", "count"}  # "send me the largest file"
    if parsed.action in _ONE_FILE and not own and not afresh and last is not None and last.items:
        fitting = tuple(item for item in last.items if of_kind(item, query.kind))
        focus = last.focus if last.focus in fitting else None
        if fitting and (focus or len(fitting) == 1 or "kind" not in parsed.slots):
            return Complete(replace(query, paths=(focus,) if focus else fitting, sort=None), last.items)
    if parsed.joins and not own and last is not None and parsed.action not in _ONE_FILE:
        query = replace(query, places=last.query.places)
    return Complete(query)


def _to_change(parsed: Parsed, text: str, memories: Sequence[Memory]) -> Complete | None:
    """Say which files are to be changed where no name, place or time says it: those spoken of, and never simply all."""
    if parsed.pick is not None:
        found = _picked(parsed, memories)
        memory = next((memory for memory in reversed(memories) if memory.items), None)
        one = parsed.pick == slots.IT and not re.search(r"\b(?:them|those|these|all|both)\b", text, re.IGNORECASE)
        if one and memory is not None and memory.focus in found.query.paths:
            return replace(found, query=replace(found.query, paths=(memory.focus,)))
        return found
    query = Query(action=parsed.action or Action.ZIP, **parsed.slots)
    if query.action is Action.MAKE_FOLDER:
        return Complete(query)  # about no file that is there
    last = memories[-1] if memories else None
    fitting = tuple(item for item in last.items if of_kind(item, query.kind)) if last else ()
    if fitting:
        return Complete(replace(query, paths=fitting, kind=None), fitting)
    if re.search(r"\bfolder\b", text, re.IGNORECASE) and last is not None and last.query.places:
        return Complete(replace(query, places=last.query.places))  # "zip that folder"
    if query.kind is not None or re.search(
        r"\b(?:everything|all|my (?:files|stuff|photos|documents))\b", text, re.IGNORECASE
    ):
        return Complete(query)
    raise NothingEarlier


def _answered(parsed: Parsed, text: str, last: Memory) -> Complete | None:
    """Take the answer to "which one?": a number, or words of one file's name."""
    if parsed.pick:
        return None  # an ordinary pick
    if parsed.action not in (None, Action.READ, Action.FIND) and parsed.understood:
        return None
    said = str(parsed.slots.get("file") or parsed.slots.get("name") or " ".join(parsed.left) or text)
    rate = named(said)
    rated = [(rate(item.rpartition("/")[2]), item) for item in last.items]
    best = max((rating for rating, _ in rated), default=0)
    fitting = [item for rating, item in rated if rating == best and rating]
    if len(fitting) != 1:
        return None
    return Complete(replace(last.query, paths=(fitting[0],)), last.items)


def _picked(parsed: Parsed, memories: Sequence[Memory]) -> Complete:
    memory = next((memory for memory in reversed(memories) if memory.items), None)
    kind = parsed.slots.get("kind")
    items = tuple(item for item in memory.items if of_kind(item, kind)) if memory else ()
    if not items and kind and parsed.action is Action.SUMMARISE and parsed.pick != slots.IT:
        return Complete(Query(**{**parsed.slots, "action": Action.FIND, "summarise": parsed.pick}))
    if memory is None:
        raise NothingEarlier
    items = items or memory.items
    asks = memory.query if memory.asked else memory.follow or memory.query
    changes = {name: value for name, value in parsed.slots.items() if name != "kind"}
    query = replace(asks, **changes) if parsed.action is None else Query(action=parsed.action, **parsed.slots)
    query = replace(query, name=None, file=None, kind=None, summarise=None, sort=None)
    if parsed.pick == slots.IT:
        if query.action in _ONE_FILE:
            return Complete(replace(query, paths=(memory.focus,) if memory.focus else items), memory.items)
        return Complete(replace(query, paths=items, kind=kind))
    index = _index(parsed.pick or 1, items, memory.focus)
    if not 0 <= index < len(items):
        raise NoSuchItem(len(items))
    return Complete(replace(query, paths=(items[index],)), memory.items)


def _index(pick: int, items: tuple[str, ...], focus: str | None) -> int:
    """Turn what was picked into a place in the list, counted from 0."""
    now = items.index(focus) if focus in items else 0
    if pick == slots.OTHER:
        return 0 if now else 1
    special = {slots.LAST: len(items) - 1, slots.NEXT: now + 1, slots.PREVIOUS: now - 1}
    return special.get(pick, pick - 1)


_REVERSED = {
    Sort.LARGEST: Sort.SMALLEST,
    Sort.SMALLEST: Sort.LARGEST,
    Sort.NEWEST: Sort.OLDEST,
    Sort.OLDEST: Sort.NEWEST,
}


def _changed(parsed: Parsed, last: Memory | None) -> Complete | None:
    """Repeat the last request with what was said now."""
    if not (parsed.slots or parsed.more or parsed.reverse or parsed.onward):
        return None
    if last is None:
        raise NothingEarlier
    query = last.query
    changes = dict(parsed.slots)
    if parsed.more:
        changes["count"] = 2 * (query.count or USUAL.get(query.action, 20))
    if parsed.onward:
        if query.action not in _PAGED or query.tail:
            return None
        changes["skip"] = query.skip + (query.count or USUAL[query.action])
    elif changes.keys() & {"count", "sort", "places", "kind", "name"} or parsed.more or parsed.reverse:
        changes["skip"] = 0
    if parsed.reverse:
        usual = Sort.NEWEST if query.action is Action.CHANGED else Sort.LARGEST
        changes["sort"] = _REVERSED.get(query.sort or usual, query.sort)
    if "summarise" in changes:
        changes["action"] = Action.FIND
    if "since" in changes or "until" in changes:
        changes = {"since": None, "until": None, **changes}
    if changes.keys() & {"places", "name", "file"}:
        changes["paths"] = ()
    return Complete(replace(query, **changes), last.items if query.paths and "paths" not in changes else ())
