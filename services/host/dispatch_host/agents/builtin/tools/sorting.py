"""Sorts the files of a folder into folders in it, by what they are or by when they were modified. Makes a plan."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, Findings, NothingThere
from dispatch_host.agents.builtin.markdown import number, plural
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.tools import planning
from dispatch_host.agents.builtin.tools.planning import Planning
from dispatch_host.agents.builtin.vocabulary import KINDS
from dispatch_host.changes import MOST_STEPS, MakeFolder, Move, Plan, Step
from dispatch_host.scope import Entry, Refused, Tally, fold

_FOLDERS = {
    "pdf": "PDFs",
    "csv": "Spreadsheets",
    "image": "Pictures",
    "video": "Videos",
    "audio": "Audio",
    "spreadsheet": "Spreadsheets",
    "presentation": "Presentations",
    "word": "Documents",
    "text": "Texts",
    "archive": "Archives",
    "code": "Code",
    "installer": "Installers",
}
_OTHER = "Other"


def sort(query: Query, bench: Bench) -> Findings:
    """Plan the folders and which file goes into which. Of very many files the first are sorted, and that is said."""
    bench.step("Looking at the files", bench.around())
    entries, total = planning.first(planning.directly_in(query, bench), query, MOST_STEPS)
    if not entries:
        raise NothingThere(f"There is nothing to sort directly in {bench.where()}; subfolders are left as they are.")
    made = Planning(bench)
    sorting = _Sorting(bench, made, query.how[0] if query.how else "type")
    done = 0
    for entry in entries:
        made.permits(planning.absolute(entry))
        if sorting.bytes > planning.ROOM_BYTES or len(sorting.steps) > MOST_STEPS - 2:
            break
        sorting.put(entry)
        done += 1
    left = total - done
    remarks = [
        f"These are the first {number(done)} of {number(total)} files; ask again for the other {number(left)}."
        if left
        else "",
        f"{plural(sorting.elsewhere, 'file')} left out: the folder is on another disk." if sorting.elsewhere else "",
    ]
    moves = [step for step in sorting.steps if isinstance(step, Move)]
    if not moves:
        raise NothingThere("There is nothing to sort.")
    title = f"Sort {plural(len(moves), 'file')} into {plural(len(sorting.used), 'folder')}"
    return Findings(
        "\n\n".join(filter(None, remarks)), entries[:done], plan=Plan(title, tuple(_by_folder(sorting.steps)))
    )


def _by_folder(steps: Sequence[Step]) -> list[Step]:
    """Order the steps as a person reads them: the new folders, then folder by folder what goes there. None needs another order."""
    made = [step for step in steps if isinstance(step, MakeFolder)]
    moves = [step for step in steps if isinstance(step, Move)]
    places = {folder: place for place, folder in enumerate(dict.fromkeys(os.path.dirname(one.target) for one in moves))}
    return [*made, *sorted(moves, key=lambda one: places[os.path.dirname(one.target)])]


class _Sorting:
    """The plan as it grows."""

    def __init__(self, bench: Bench, made: Planning, by: str) -> None:
        self._bench = bench
        self._made = made
        self._by = by
        self._folders: dict[tuple[str, str], str] = {}  # by the folder and the wished name
        self._there: dict[str, dict[str, str]] = {}  # folders that are there, by their folded name
        self._new: set[str] = set()
        self.steps: list[Step] = []
        self.used: set[str] = set()
        self.bytes = 0
        self.elsewhere = 0

    def put(self, entry: Entry) -> None:
        """Add the step for one file, and the folder for it when it is the first there."""
        source = planning.absolute(entry)
        folder, is_new = self._folder(entry, os.path.dirname(source))
        if not is_new and folder not in self.used and self._device(folder) != entry.device:
            self.elsewhere += 1
            return
        if is_new:
            self._new.add(folder)
            self._add(MakeFolder(folder))
        self.used.add(folder)
        wished = os.path.join(folder, entry.name)
        target = self._made.free_in_new(wished) if folder in self._new else self._made.free(wished)
        self._add(Move(source, target, planning.facts(entry)))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.bytes += len(str(step))

    def _folder(self, entry: Entry, above: str) -> tuple[str, bool]:
        """Give the folder for a file, and whether it is still to be made."""
        wished = self._wished(entry)
        known = self._folders.get((above, wished))
        if known is not None:
            return known, False
        if above not in self._there:
            listed = entry.root.list(os.path.dirname(entry.path), Tally())
            self._there[above] = {fold(other.name): other.name for other in listed if other.is_dir}
        there = self._there[above].get(fold(wished))
        if there is not None:
            found, is_new = os.path.join(above, there), False
        else:
            found, is_new = self._made.free(os.path.join(above, wished), of_a_folder=True), True
        self._folders[above, wished] = found
        return found, is_new

    def _wished(self, entry: Entry) -> str:
        when = self._bench.modified(entry)
        match self._by:
            case "year":
                return when.strftime("%Y")
            case "month":
                return when.strftime("%Y-%m")
            case "day":
                return when.strftime("%Y-%m-%d")
            case "ending":
                return matching.extension(entry.name).removeprefix(".").upper() or "No ending"
            case _:
                ending = matching.extension(entry.name)
                return next((_FOLDERS[kind] for kind in KINDS if ending in KINDS[kind].extensions), _OTHER)

    def _device(self, folder: str) -> int:
        try:
            return self._made.hands.device(os.path.join(folder, "x"))
        except Refused:
            return -1
