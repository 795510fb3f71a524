"""What the tools that change something share: which files, where a new one may be, and a name that is free."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import about, matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo
from dispatch_host.agents.builtin.markdown import code
from dispatch_host.agents.builtin.query import Query, Sort
from dispatch_host.changes import MOST_BYTES, MOST_STEPS
from dispatch_host.scope import Entry, Facts, Hands, Refused, fold, shown

_TITLED = 100  # characters of a name in a title
ROOM_BYTES = MOST_BYTES // 2  # of a plan as it grows: written, a name may need more bytes. A step more is not begun


def only_directly(bench: Bench) -> str:
    """Say that subfolders were left alone, and how they are meant."""
    return f"subfolders were not looked into: say which one is meant, as in \u201cin {bench.where().strip('`')}/NAME\u201d."


@dataclass(slots=True)
class Planning:
    """Where a plan is made: what may be changed, and which names it has given already."""

    bench: Bench
    hands: Hands = field(init=False)
    _given: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Take the scope of the bench in hand."""
        self.hands = Hands(self.bench.scope)

    def permits(self, path: str) -> None:
        """End the task where nothing may be changed."""
        self.is_free(path)

    def is_free(self, path: str) -> bool:
        """Tell whether nothing has this name; end the task where nothing may be changed."""
        with self._in_words(path):
            return self.hands.is_free(path)

    def room(self, path: str) -> int:
        """Tell how many bytes the disk of a path's folder has room for; end the task where nothing may be changed."""
        with self._in_words(path):
            return self.hands.room(path)

    def device(self, path: str) -> int:
        """Tell on which disk a path's folder is; end the task where nothing may be changed."""
        with self._in_words(path):
            return self.hands.device(path)

    def folder_for(self, wished: str) -> str:
        """Give a folder for a new file: the one wished for, else the first that may be changed; end the task without any."""
        for folder in (wished, *(root.absolute("") for root in self.bench.scope.roots)):
            if self.hands.may(os.path.join(folder, "x")):
                return folder
        for root in self.bench.scope.roots:
            if root.folder.writable:
                self.permits(
                    os.path.join(root.absolute(""), "x")
                )  # ends it: no leave is missing, and this says what is
        raise CannotDo(NotDoneReason.FOLDER_NOT_APPROVED, about.nowhere_to_write(code(self._label(wished))))

    def free(self, path: str, *, of_a_folder: bool = False) -> str:
        """Give a name that nothing has and no step of the plan gives: the one wished for, or with a number behind it; end the
        task where nothing may be changed.
        """
        stem, ending = (path, "") if of_a_folder else os.path.splitext(path)
        number = 1
        candidate = path
        while fold(candidate) in self._given or not self.is_free(candidate):
            number += 1
            candidate = f"{stem} {number}{ending}"
        self.give(candidate)
        return candidate

    def free_in_new(self, path: str) -> str:
        """Give a name in a folder that is not there yet: only the plan itself can be in the way."""
        stem, ending = os.path.splitext(path)
        number, candidate = 1, path
        while self.is_given(candidate):
            number += 1
            candidate = f"{stem} {number}{ending}"
        self.give(candidate)
        return candidate

    def give(self, path: str) -> None:
        """Note that the plan gives a name."""
        self._given.add(fold(path))

    def is_given(self, path: str) -> bool:
        """Tell whether a step of the plan gives this name."""
        return fold(path) in self._given

    @contextlib.contextmanager
    def _in_words(self, path: str) -> Iterator[None]:
        """Say to the person what the hands refuse."""
        try:
            yield
        except Refused as refused:
            raise CannotDo(NotDoneReason.FOLDER_NOT_APPROVED, about.not_writable(self._label(path), refused)) from None

    def _label(self, path: str) -> str:
        located = self.bench.scope.locate(path)
        return located[0].label if located else os.path.dirname(path)


def facts(entry: Entry) -> Facts:
    """Give by what a file is known again."""
    return Facts(entry.size, entry.mtime_ns, entry.inode)


def absolute(entry: Entry) -> str:
    """Give a file's path as a plan has it."""
    return entry.root.absolute(entry.path)


def quoted(name: str) -> str:
    """Write a name into a plan's title, which is plain text: a long one is cut there, for the steps have the whole of it."""
    said = shown(name)
    return f"“{said if len(said) <= _TITLED else said[: _TITLED - 1] + '…'}”"


def new_name(said: str) -> str:
    """Take a new name as a person said it; end the task when it is none, or leads to another folder."""
    name = said.strip()
    if (
        not name
        or "/" in name
        or "\0" in name
        or name.startswith("~")
        or name in (".", "..")
        or len(os.fsencode(name)) > 255
    ):
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            f"{code(said[:300])} can't be the name of a file: a name leads to no other folder and has at most 255 bytes. "
            "Nothing was changed.",
        )
    return name


def selected(query: Query, bench: Bench) -> list[Entry]:
    """Give the files that a request means, in the order of the earlier answer or by name; at most as many as it counts."""
    if query.file is not None and not query.paths:
        entry = matching.one(query, bench)
        return [] if entry is None else [entry]
    found = matching.select(query, bench)
    if query.paths and query.sort is None:
        listed = list(found)
        return listed[: query.count] if query.count else listed
    listed, _ = first(found, query, MOST_STEPS + 1)
    return listed


def first(found: Iterable[Entry], query: Query, most: int) -> tuple[list[Entry], int]:
    """Give the first files of many without holding all, and how many there are."""
    total = 0

    def counted() -> Iterable[Entry]:
        nonlocal total
        for entry in found:
            total += 1
            yield entry

    order = query.sort or Sort.NAME
    limit = min(query.count or most, most)
    kept = heapq.nsmallest(limit, counted(), key=lambda entry: matching.sort_key(entry, order))
    return kept, total


def directly_in(query: Query, bench: Bench) -> Iterable[Entry]:
    """Give the files that lie in the folders themselves, and none of those that begin with a dot: they are settings."""
    if query.paths or query.file is not None:
        return selected(query, bench)
    places = {(id(place.root), place.path) for place in bench.places}

    def fits(entry: Entry) -> bool:
        folder = entry.path.rpartition("/")[0]
        return (id(entry.root), folder) in places and not entry.name.startswith(".")

    return (entry for entry in matching.select(query, bench.shallow()) if fits(entry))
