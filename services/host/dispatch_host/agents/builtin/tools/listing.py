"""Lists of files: the largest, those found by name or kind, those changed since a time, and how many there are."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from dispatch_host.agents.builtin.bench import Bench, Findings, style
from dispatch_host.agents.builtin.markdown import Answer, Table, code, moment, number, plural, size
from dispatch_host.agents.builtin.matching import described, missing, select, sort_key
from dispatch_host.agents.builtin.query import USUAL, Action, Query, Sort, Style
from dispatch_host.scope import Entry

_MOST = 500  # rows of one answer, whatever was asked for
REMEMBERED = 100  # files that "the third one" can mean


def table(entries: Iterable[Entry], bench: Bench) -> Table:
    """Show files with size and time."""
    rows = [
        [code(bench.show(entry)), size(entry.size), f"{number(entry.size)}", moment(bench.modified(entry))]
        for entry in entries
    ]
    return Table(["File", "Size", "Bytes", "Modified"], list(rows), right=frozenset({1, 2}))


def ranked(entries: Iterable[Entry], bench: Bench, skip: int = 0) -> Table:
    """Show files with their place in the ranking."""
    plain = table(entries, bench)
    rows = [[str(index), *row] for index, row in enumerate(plain.rows, start=skip + 1)]
    return Table(["#", *plain.headings], list(rows), right=frozenset({0, 2, 3}))


def shown(entries: list[Entry], bench: Bench, how: Style, skip: int = 0) -> Table:
    """Choose the table with a rank, or the list that numbers itself."""
    return ranked(entries, bench, skip) if how is Style.TABLE else table(entries, bench)


def largest(query: Query, bench: Bench) -> Findings:
    """Rank files by size."""
    bench.step("Looking at the sizes of files", bench.around())
    order = query.sort if query.sort in (Sort.SMALLEST, Sort.LARGEST) else Sort.LARGEST
    return _top(query, bench, order)


def changed(query: Query, bench: Bench) -> Findings:
    """List files by when they were last modified."""
    bench.step("Looking at when files were modified", bench.around())
    return _top(query, bench, query.sort or (Sort.OLDEST if query.until and not query.since else Sort.NEWEST))


def find(query: Query, bench: Bench) -> Findings:
    """List the files that fit, for a person to choose from."""
    bench.step("Looking for files", bench.around())
    usual = (
        Sort.LARGEST
        if query.minimum_bytes or query.maximum_bytes
        else Sort.NEWEST
        if query.since or query.until
        else Sort.NAME
    )
    return _top(query, bench, query.sort or usual)


def _top(query: Query, bench: Bench, order: Sort) -> Findings:
    limit = min(query.count or USUAL[query.action], _MOST)
    total_bytes = 0
    total = 0

    def counted() -> Iterable[Entry]:
        nonlocal total, total_bytes
        for entry in select(query, bench):
            total += 1
            total_bytes += entry.size
            yield entry

    # The best, without holding all: a folder may have millions of files.
    found = heapq.nsmallest(query.skip + limit, counted(), key=lambda entry: sort_key(entry, order))[query.skip :]
    if not found and total:
        return Findings(f"There are no more: all {number(total)} were shown.")
    if not found:
        return Findings("\n\n".join(filter(None, (missing(query, bench), looked(bench), bench.remarks()))))
    answer = Answer()
    answer.add(_title(query, bench, order, total, total_bytes, len(found)))
    rows = answer.table(shown(found, bench, style(query, Style.TABLE), query.skip), style(query, Style.TABLE))
    rows += query.skip
    if total > rows:
        answer.add(
            f"… and {number(total - rows)} more. Say \u201cshow {min(total, max(rows * 2, 20))}\u201d for more of them."
        )
    for remark in (looked(bench), bench.remarks()):
        if remark:
            answer.add(remark)
    return Findings(answer.text(), found[:REMEMBERED], follow=Query(action=Action.SUMMARISE))


def _title(query: Query, bench: Bench, order: Sort, total: int, total_bytes: int, count: int) -> str:
    what = described(query, 1 if total == 1 else 2)
    if query.skip:
        shown_now = f"{number(query.skip + 1)} to {number(query.skip + count)}"
        return (
            f"**{shown_now} of {number(total)} {what}** in {bench.where()} ({size(total_bytes)} altogether, {order}):"
        )
    if query.action is Action.LARGEST:
        rank = "smallest" if order is Sort.SMALLEST else "largest"
        many = f"The {number(count)} {rank}" if count > 1 else f"The {rank}"
        return f"**{many} {described(query, count)}** in {bench.where()}, of {number(total)} ({size(total_bytes)} altogether):"
    if query.action is Action.CHANGED and not (query.since or query.until):
        rank = "longest unchanged" if order is Sort.OLDEST else "most recently modified"
        return f"**The {number(count)} {rank} {described(query, count)}** in {bench.where()}, of {number(total)}:"
    return f"**{number(total)} {what}** in {bench.where()} ({size(total_bytes)} altogether, {order}):"


def looked(bench: Bench) -> str:
    """Say how much was looked at."""
    tally = bench.tally
    if not (tally.files or tally.folders):
        return ""
    return f"Looked at {plural(tally.files, 'file')} in {plural(tally.folders + len(bench.places), 'folder')} ({size(tally.size)})."


def count(query: Query, bench: Bench) -> Findings:
    """Count files, by place and by ending."""
    bench.step("Counting files", bench.around())
    endings: dict[str, tuple[int, int]] = {}
    total = 0
    total_bytes = 0
    for entry in select(query, bench):
        total += 1
        total_bytes += entry.size
        dot = entry.name.rpartition(".")
        ending = f".{dot[2].casefold()}" if dot[0] and len(dot[2]) <= 12 else "none"
        times, used = endings.get(ending, (0, 0))
        endings[ending] = (times + 1, used + entry.size)
    answer = Answer()
    verb = "is" if total == 1 else "are"
    answer.add(
        f"There {verb} **{number(total)} {described(query, total)}** in {bench.where()} "
        f"({size(total_bytes)}, {number(total_bytes)} bytes)."
    )
    if len(endings) > 1:
        best = sorted(endings.items(), key=lambda pair: (-pair[1][0], pair[0]))[:15]
        rows = [[code(ending), number(times), size(used), number(used)] for ending, (times, used) in best]
        answer.table(
            Table(["Ending", "Files", "Size", "Bytes"], list(rows), right=frozenset({1, 2, 3})),
            style(query, Style.TABLE),
        )
        if len(endings) > len(best):
            answer.add(f"… and {number(len(endings) - len(best))} more endings.")
    if bench.remarks():
        answer.add(bench.remarks())
    return Findings(answer.text())
