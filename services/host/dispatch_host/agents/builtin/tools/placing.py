"""Deletes, moves and copies files and folders, and makes folders. Makes a plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import about, matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, NothingThere
from dispatch_host.agents.builtin.markdown import code, number, plural, size
from dispatch_host.agents.builtin.query import Query, Sort
from dispatch_host.agents.builtin.sentence import is_file, is_path
from dispatch_host.agents.builtin.tools import planning
from dispatch_host.agents.builtin.tools.planning import Planning
from dispatch_host.changes import (
    MOST_KEPT_BYTES,
    MOST_STEPS,
    Convert,
    Delete,
    How,
    MakeFolder,
    Move,
    Plan,
    RemoveFolder,
    Step,
    kept_bytes,
)
from dispatch_host.scope import (
    Entry,
    FolderNotApproved,
    NoSuchFolder,
    Place,
    SeveralFolders,
    Tally,
    find_folder,
    shown,
)
from dispatch_host.scope.resolve import same_name


@dataclass(frozen=True, slots=True)
class _Meant:
    """The files and folders of a request, with the path that each keeps where it goes; folders before what is in them."""

    folders: Sequence[tuple[Entry, str]]
    files: Sequence[tuple[Entry, str]]

    @property
    def shown(self) -> list[Entry]:
        return [entry for entry, _ in self.files]


def delete(query: Query, bench: Bench) -> Findings:
    """Plan to take files away, or a folder with all that is in it."""
    meant = _meant(query, bench)
    made = Planning(bench)
    for entry in meant.shown:
        made.permits(planning.absolute(entry))
    steps: list[Step] = [Delete(planning.absolute(entry), planning.facts(entry)) for entry in meant.shown]
    steps += [RemoveFolder(planning.absolute(entry)) for entry, _ in reversed(meant.folders)]
    plan = Plan(f"Delete {_counted(meant)}", tuple(steps))
    if (needed := kept_bytes(plan)) > MOST_KEPT_BYTES:
        raise CannotDo(
            NotDoneReason.NEEDS_AGENT,
            f"Those are {size(needed)}; what I delete I keep for undoing, and that is at most {size(MOST_KEPT_BYTES)}. "
            "Nothing was changed.",
        )
    return _found(plan, meant)


def move(query: Query, bench: Bench) -> Findings:
    """Plan to move files and folders into another folder; to another disk they are copied, and deleted here."""
    meant = _meant(query, bench)
    if _is_new_name(query, meant):
        entry = meant.shown[0]
        wished = os.path.join(os.path.dirname(planning.absolute(entry)), planning.new_name(query.target or ""))
        made = Planning(bench)
        made.permits(planning.absolute(entry))
        return _found(
            Plan("Rename 1 file", (Move(planning.absolute(entry), made.free(wished), planning.facts(entry)),)), meant
        )
    placing = _Placing(query, bench, meant)
    files = [(entry, inner) for entry, inner in meant.files if placing.goes_elsewhere(entry, inner)]
    if not files and not meant.folders:
        raise NothingThere(f"{'It is' if len(meant.files) == 1 else 'They are'} in {code(placing.label)} already.")
    for entry, inner in files:
        placing.made.permits(planning.absolute(entry))
        source, target, facts = planning.absolute(entry), placing.target(inner), planning.facts(entry)
        if placing.device == entry.device:
            placing.steps.append(Move(source, target, facts))
        else:
            placing.steps += [Convert(source, target, facts, How.COPY, facts.size), Delete(source, facts)]
    placing.steps += [RemoveFolder(planning.absolute(entry)) for entry, _ in reversed(meant.folders)]
    return _found(Plan(f"Move {_counted(meant)} to {planning.quoted(placing.label)}", tuple(placing.steps)), meant)


def copy(query: Query, bench: Bench) -> Findings:
    """Plan to copy files and folders into another folder, or a file beside itself."""
    meant = _meant(query, bench)
    if query.target is None or _is_new_name(query, meant):
        return _copy_beside(query, bench, meant)
    placing = _Placing(query, bench, meant)
    total = sum(entry.size for entry in meant.shown)
    if placing.made.room(os.path.join(placing.there, "x")) < total:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"The disk has no room for {size(total)}. Nothing was changed.")
    for entry, inner in meant.files:
        source, facts = planning.absolute(entry), planning.facts(entry)
        placing.steps.append(Convert(source, placing.target(inner), facts, How.COPY, facts.size))
    return _found(Plan(f"Copy {_counted(meant)} to {planning.quoted(placing.label)}", tuple(placing.steps)), meant)


def make_folder(query: Query, bench: Bench) -> Findings:
    """Plan a new folder, and those on the way to it that are not there; where the person did not say, in the only folder that
    may be changed.
    """
    made = Planning(bench)
    said = query.target or ""
    if is_path(said):
        path = os.path.normpath(os.path.join(bench.home, said[2:]) if said.startswith("~/") else said)
    else:
        above, parts = _above(query, bench, [planning.new_name(part) for part in said.rstrip("/").split("/")])
        path = os.path.join(above, *parts)
    missing = _missing(path, said, made)
    if not missing:
        raise NothingThere(f"{code(said)} is there already.")
    plan = Plan(f"Make the folder {planning.quoted(os.path.basename(path))}", tuple(map(MakeFolder, missing)))
    return Findings("", plan=plan)


def _missing(path: str, said: str, made: Planning) -> list[str]:
    """List what is not there of the folders down to a path; end the task where nothing may be changed."""
    located = made.bench.scope.locate(path)
    if located is None:
        raise FolderNotApproved(said)
    root, inner = located
    parts = inner.split("/") if inner else []
    down = [os.path.join(root.absolute(""), *parts[:deep]) for deep in range(1, len(parts) + 1)]
    # Below the first that is not there nothing is, and nothing can be looked at.
    return next((down[place:] for place, folder in enumerate(down) if made.is_free(folder)), [])


def _above(query: Query, bench: Bench, parts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Give the folder that a new one comes into, and what is left of its path: the first part may name an approved folder."""
    if query.places:
        return bench.places[0].root.absolute(bench.places[0].path), parts
    named = [root for root in bench.scope.roots if same_name(root.folder.path.name, parts[0])]
    if len(named) == 1 and len(parts) > 1:
        return named[0].absolute(""), parts[1:]
    writable = [root for root in bench.scope.roots if root.folder.writable]
    if len(writable) == 1:
        return writable[0].absolute(""), parts
    if not writable:
        raise CannotDo(NotDoneReason.FOLDER_NOT_APPROVED, about.nowhere_to_write(bench.where()))
    raise CannotDo(
        NotDoneReason.NOT_UNDERSTOOD, "Where shall the folder be? Say: \u201cmake a folder Trip in Documents\u201d."
    )


class _Placing:
    """A plan that puts things into one folder, as it grows."""

    def __init__(self, query: Query, bench: Bench, meant: _Meant) -> None:
        self.made = Planning(bench)
        self.steps: list[Step] = []
        self._new: set[str] = set()
        self.there, self.label = self._folder(query, bench)
        self.made.permits(os.path.join(self.there, "x") if not self.steps else self.there)
        self.device = self.made.device(self.there if self.steps else os.path.join(self.there, "x"))
        self._folders: dict[str, str] = {"": self.there}
        for entry, inner in meant.folders:
            if self._lies_in(self.there, planning.absolute(entry)):
                raise CannotDo(NotDoneReason.INPUT_UNREADABLE, "A folder can't go into itself. Nothing was changed.")
            self._make(inner)

    def target(self, inner: str) -> str:
        """Give the path of a file that keeps its name, or gets one with a number behind it."""
        above, name = os.path.split(inner)
        wished = os.path.join(self._folders[above], name)
        return self.made.free_in_new(wished) if self._folders[above] in self._new else self.made.free(wished)

    def goes_elsewhere(self, entry: Entry, inner: str) -> bool:
        """Tell whether a file is not there already."""
        return "/" in inner or os.path.dirname(planning.absolute(entry)) != self.there

    def _make(self, inner: str) -> None:
        above, name = os.path.split(inner)
        wished = os.path.join(self._folders[above], name)
        is_new = self._folders[above] in self._new
        path = self.made.free_in_new(wished) if is_new else self.made.free(wished, of_a_folder=True)
        self._folders[inner] = path
        self._new.add(path)
        self.steps.append(MakeFolder(path))

    def _folder(self, query: Query, bench: Bench) -> tuple[str, str]:
        said = query.target or ""
        if "new" in query.how[1:]:
            wished = os.path.join(_above_new(query, bench), planning.new_name(said))
            self.made.permits(wished)
            path = self.made.free(wished, of_a_folder=True)
            self.steps.append(MakeFolder(path))
            self._new.add(path)
            return path, os.path.basename(path)
        try:
            place = find_folder(bench.scope, said, home=bench.home)
        except (NoSuchFolder, SeveralFolders) as none:
            several = isinstance(none, SeveralFolders)
            raise CannotDo(
                NotDoneReason.INPUT_UNREADABLE,
                f"Several folders are called {code(said)}. Name one by its path. Nothing was changed."
                if several
                else f"There is no folder {code(said)}. Say \u201cmake a folder {said}\u201d first. Nothing was changed.",
            ) from None
        return place.root.absolute(place.path), place.label

    @staticmethod
    def _lies_in(path: str, folder: str) -> bool:
        return f"{path}/".startswith(f"{folder}/")


def _above_new(query: Query, bench: Bench) -> str:
    """Give where a new folder for files comes: beside them."""
    if query.places or not query.paths:
        place = bench.places[0]
        return place.root.absolute(place.path)
    return os.path.dirname(query.paths[0])


def _copy_beside(query: Query, bench: Bench, meant: _Meant) -> Findings:
    if meant.folders:
        raise CannotDo(NotDoneReason.NOT_UNDERSTOOD, "Say where the copy of the folder shall go. Nothing was changed.")
    made = Planning(bench)
    steps: list[Step] = []
    for entry in meant.shown:
        source = planning.absolute(entry)
        stem, ending = os.path.splitext(entry.name)
        name = planning.new_name(query.target) if query.target else f"{stem} copy{ending}"
        folder = made.folder_for(os.path.dirname(source))
        target = made.free(os.path.join(folder, name))
        steps.append(Convert(source, target, planning.facts(entry), How.COPY, entry.size))
    return _found(Plan(f"Copy {_counted(meant)}", tuple(steps)), meant)


def _is_new_name(query: Query, meant: _Meant) -> bool:
    """Tell whether "to x.txt" names a file, not a folder; a model says so outright."""
    said = query.target or ""
    names = "name" in query.how[1:] or (is_file(said) and not is_path(said) and "/" not in said)
    return names and len(meant.files) == 1 and not meant.folders


def _meant(query: Query, bench: Bench) -> _Meant:
    """Find what a request means; end the task where nothing, or more than one plan takes, is meant."""
    bench.step("Looking for the files", bench.around())
    narrowed = query.paths or query.file or query.kind or query.name or query.count or query.since or query.until
    if query.sort is not None and not query.paths and query.count is None and not query.file:
        text = "How many? Say \u201cdelete the 3 largest files in Downloads\u201d, for example. Nothing was changed."
        raise CannotDo(NotDoneReason.NOT_UNDERSTOOD, text)
    narrowed = narrowed or query.attached or query.minimum_bytes is not None or query.maximum_bytes is not None
    if not narrowed and query.how[:1] != ("files",):
        return _folder_meant(query, bench)
    found = planning.selected(query, bench) if query.name else list(planning.directly_in(query, bench))
    if query.count:
        found, _ = planning.first(found, query, query.count)
    elif not query.paths:
        found = matching.ordered(found, Sort.NAME)
    if not found:
        raise NothingThere(
            matching.missing(query, bench)
            if query.paths or query.file or query.name
            else f"There are no {matching.described(query)} directly in {bench.where()}; {planning.only_directly(bench)}"
        )
    _few_enough(len(found))
    return _Meant([], [(entry, entry.name) for entry in found])


def _folder_meant(query: Query, bench: Bench) -> _Meant:
    """Take a folder with all that is in it. What can't be moved or read in it ends the task."""
    if len(query.places) != 1:
        raise CannotDo(NotDoneReason.NOT_UNDERSTOOD, about.not_understood([]))
    place: Place = bench.places[0]
    root, path = place.root, place.path
    if not path:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            f"{code(place.label)} is an approved folder, which stays where it is. Say \u201call files in "
            f"{shown(place.label)}\u201d for what is in it. Nothing was changed.",
        )
    top = root.stat(path)
    above = os.path.dirname(path)
    tally = Tally()
    folders = [(top, os.path.relpath(path, above or "."))]
    files: list[tuple[Entry, str]] = []
    for entry in root.walk(path, tally):
        (folders if entry.is_dir else files).append((entry, os.path.relpath(entry.path, above or ".")))
        _few_enough(len(folders) + len(files))
    folders.sort(key=lambda pair: pair[1].count("/"))
    files.sort(key=lambda pair: pair[0].path)
    if tally.links or tally.special or tally.unreadable:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            f"{code(place.label)} holds links, special files or folders that can't be read, which I leave alone; so the folder "
            "can't go. Nothing was changed.",
        )
    return _Meant(folders, files)


def _few_enough(count: int) -> None:
    if count > MOST_STEPS // 2 - 1:
        text = f"Those are more than {number(MOST_STEPS // 2 - 1)} files; I do so many at once. Nothing was changed."
        raise CannotDo(NotDoneReason.NEEDS_AGENT, text)


def _counted(meant: _Meant) -> str:
    files = f"{plural(len(meant.files), 'file')} ({size(sum(entry.size for entry in meant.shown))})"
    return f"{plural(len(meant.folders), 'folder')} with {files}" if meant.folders else files


def _found(plan: Plan, meant: _Meant) -> Findings:
    return Findings("", meant.shown, plan=plan)
