"""The first or last rows of a CSV as a table, the first or last lines of a text, and how many there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, style
from dispatch_host.agents.builtin.markdown import Answer, Table, cell, code, number, plural, size
from dispatch_host.agents.builtin.matching import missing, of_kind, one
from dispatch_host.agents.builtin.query import USUAL, Action, Query, Style
from dispatch_host.agents.builtin.tools import text
from dispatch_host.agents.builtin.tools.csvfile import NotCsv, Reader, look
from dispatch_host.scope import Entry, Refused

_MOST = 500
_COLUMNS = 50  # a wider table is no help on a phone


def open_or_say(entry: Entry, bench: Bench) -> BinaryIO:
    """Open a file; end the task with the reason when the scope refuses it."""
    try:
        return bench.scope.open_file(entry.root, entry.path)
    except Refused as refused:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} was not read: it is {refused.reason}."
        ) from refused


def head(query: Query, bench: Bench) -> Findings:
    """Show the first or last rows."""
    bench.step("Looking for the file", bench.around())
    entry = one(csv_unless_said(query), bench)
    if entry is None:
        return Findings(missing(csv_unless_said(query), bench))
    limit = min(query.count or USUAL[Action.HEAD], _MOST)
    bench.step("Reading rows", bench.show(entry))
    with open_or_say(entry, bench) as file:
        answer = Answer()
        if of_kind(entry.name, "csv") or query.kind == "csv":
            _csv_rows(answer, file, entry, limit, query, bench)
        else:
            _lines(answer, file, entry, limit, query, bench)
    return Findings(answer.text(), [entry])


def csv_unless_said(query: Query) -> Query:
    """Rows are a CSV's, unless a file was named."""
    return query if query.kind or query.file or query.paths else replace(query, kind="csv")


def not_a_csv(entry: Entry, bench: Bench) -> CannotDo:
    """Refuse a CSV that is none."""
    return CannotDo(
        NotDoneReason.INPUT_UNREADABLE,
        f"{code(bench.show(entry))} has the name of a CSV, but it holds binary data and can't be read as one.",
    )


def _csv_rows(answer: Answer, file: BinaryIO, entry: Entry, limit: int, query: Query, bench: Bench) -> None:
    if not entry.size:
        answer.add(f"{code(bench.show(entry))} is empty: it has no rows and no columns.")
        return
    try:
        form = look(file)
    except NotCsv:
        raise not_a_csv(entry, bench) from None
    reader = Reader(file, form)
    rows: Iterable[list[str]] = (
        deque(_told(reader, entry, bench), limit)
        if query.tail
        else islice(reader.rows(), query.skip, query.skip + limit)
    )
    kept = list(rows)
    columns = form.columns
    width = min(max([form.width, *map(len, kept)]), _COLUMNS)
    columns = [*columns, *(f"column {index}" for index in range(len(columns) + 1, width + 1))][:width]
    which = "last" if query.tail else "next" if query.skip else "first"
    if not kept and query.skip:
        answer.add(f"{code(bench.show(entry))} has no more rows.")
    elif not kept:
        answer.add(f"{code(bench.show(entry))} has a header ({plural(form.width, 'column')}) and no rows.")
    else:
        facts = f"{size(entry.size)}, {plural(form.width, 'column')}"
        answer.add(f"The {which} {plural(len(kept), 'row')} of {code(bench.show(entry))} ({facts}):")
    table = Table([cell(name) for name in columns])
    table.rows = [[cell(value) for value in [*row, *[""] * width][:width]] for row in kept]
    how = style(query, Style.TABLE)
    if how is Style.LIST:
        table.rows = [["", *row] for row in table.rows]
        table.headings = ["", *table.headings]
        items = [
            "; ".join(f"{h}: {v}" for h, v in zip(table.headings[1:], row[1:], strict=False) if v) for row in table.rows
        ]
        answer.add("\n".join(f"{index}. {item}" for index, item in enumerate(items, start=1)))
    else:
        answer.table(table, how)
    if form.header is None:
        answer.add("The file has no header row, so the columns are numbered.")
    if form.width > _COLUMNS:
        answer.add(f"Only the first {_COLUMNS} of {number(form.width)} columns are shown.")
    if any(len(value) > 200 for row in kept for value in row):
        answer.add("Values longer than 200 characters are cut.")
    if reader.bad_bytes:
        answer.add(f"Bytes that are not valid {form.encoding.label} are shown as \\x….")
    elif form.encoding.label != "UTF-8":
        answer.add(f"Read as {form.encoding.label}.")


def _told(reader: Reader, entry: Entry, bench: Bench) -> Iterable[list[str]]:
    for index, row in enumerate(reader.rows()):
        if not index % 4096:
            bench.progress(reader.bytes_read, entry.size, "bytes")
        yield row


def _lines(answer: Answer, file: BinaryIO, entry: Entry, limit: int, query: Query, bench: Bench) -> None:
    found = text.lines(file, bench, entry)
    kept = list(deque(found, limit) if query.tail else islice(found, query.skip, query.skip + limit))
    which = "last" if query.tail else "next" if query.skip else "first"
    answer.add(f"The {which} {plural(len(kept), 'line')} of {code(bench.show(entry))} ({size(entry.size)}):")
    answer.fenced("\n".join(line if len(line) <= 2000 else f"{line[:2000]}…" for line in kept))


def rows(query: Query, bench: Bench) -> Findings:
    """Count rows or lines."""
    bench.step("Looking for the file", bench.around())
    entry = one(csv_unless_said(query), bench)
    if entry is None:
        return Findings(missing(csv_unless_said(query), bench))
    bench.step("Counting", bench.show(entry))
    with open_or_say(entry, bench) as file:
        if not of_kind(entry.name, "csv"):
            total = sum(1 for _ in text.lines(file, bench, entry))
            return Findings(f"{code(bench.show(entry))} has **{plural(total, 'line')}**.", [entry])
        if not entry.size:
            return Findings(f"{code(bench.show(entry))} is empty: it has no rows and no columns.", [entry])
        try:
            form = look(file)
        except NotCsv:
            raise not_a_csv(entry, bench) from None
        reader = Reader(file, form)
        total = 0
        for batch in reader.batches():
            total += len(batch)
            bench.progress(reader.bytes_read, entry.size, "bytes")
    besides = "besides the header row" if form.header else "and no header row"
    return Findings(
        f"{code(bench.show(entry))} has **{plural(total, 'row')}** ({besides}) and **{plural(form.width, 'column')}**: "
        f"{', '.join(cell(name, limit=60) for name in form.columns[:60])}.",
        [entry],
    )
