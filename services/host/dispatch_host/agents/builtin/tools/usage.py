"""Disk usage by folder: apparent sizes, each file once however many names it has."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from dispatch_host.agents.builtin.bench import Bench, Findings, style
from dispatch_host.agents.builtin.markdown import Answer, Table, code, number, size
from dispatch_host.agents.builtin.matching import matches, ordered
from dispatch_host.agents.builtin.query import Action, Query, Sort, Style
from dispatch_host.agents.builtin.tools.listing import looked, shown
from dispatch_host.scope import Entry, Place

_FOLDERS = 20
_LARGEST = 5


def usage(query: Query, bench: Bench) -> Findings:
    """Add up what each folder directly below the places holds, with everything in it."""
    bench.step("Adding up folders", bench.around())
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    totals: dict[str, list[int]] = {place.label: [0, 0] for place in bench.places}
    linked: set[tuple[int, int]] = set()
    doubled = 0
    biggest: list[tuple[int, int, Entry]] = []
    for place in bench.places:
        for number_, entry in enumerate(matches(query, bench, _files(place, bench))):
            if entry.links > 1:
                if (entry.device, entry.inode) in linked:
                    doubled += 1
                    continue
                linked.add((entry.device, entry.inode))
            for line in (sums[_child(place, entry)], totals[place.label]):
                line[0] += entry.size
                line[1] += 1
            candidate = (entry.size, -number_, entry)
            if len(biggest) < _LARGEST:
                heapq.heappush(biggest, candidate)
            elif candidate[:2] > biggest[0][:2]:
                heapq.heapreplace(biggest, candidate)
    answer = Answer()
    how = style(query, Style.TABLE)
    for label, (used, files) in totals.items():
        answer.add(
            f"{code(label)} holds **{size(used)}** ({number(used)} bytes) in {number(files)} {'file' if files == 1 else 'files'}."
        )
    ascending = query.sort is Sort.SMALLEST
    rows = sorted(sums.items(), key=lambda pair: (pair[1][0] if ascending else -pair[1][0], pair[0]))
    limit = query.count or _FOLDERS
    if rows:
        answer.table(
            Table(
                ["Folder", "Size", "Bytes", "Files"],
                [[name, size(used), number(used), number(files)] for name, (used, files) in rows[:limit]],
                right=frozenset({1, 2, 3}),
            ),
            how,
        )
    if len(rows) > limit:
        answer.add(f"… and {number(len(rows) - limit)} more folders.")
    top = ordered((entry for _, _, entry in biggest), Sort.LARGEST)
    if top:
        answer.add("The largest files in there:")
        answer.table(shown(top, bench, how), how)
    answer.add("Sizes are those of the files' contents, not of the blocks they take on the disk.")
    if doubled:
        answer.add(f"{number(doubled)} further names of files already counted (hard links) were left out.")
    for remark in (looked(bench), bench.remarks()):
        if remark:
            answer.add(remark)
    return Findings(answer.text(), top, follow=Query(action=Action.SUMMARISE))


def _files(place: Place, bench: Bench) -> Iterator[Entry]:
    return replace(bench, places=[place]).files()


def _child(place: Place, entry: Entry) -> str:
    """Name the folder directly below the place that a file belongs to."""
    below = entry.path[len(place.path) + 1 :] if place.path else entry.path
    first, inside, _ = below.partition("/")
    return code(f"{place.label}/{first}") if inside else f"{code(place.label)} itself"
