"""The mean, sum, least, greatest or number of the values of one column of a CSV, exact and in one reading."""

from __future__ import annotations

import re
from collections.abc import Callable

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, NothingThere
from dispatch_host.agents.builtin.markdown import cell, code, number, plural
from dispatch_host.agents.builtin.matching import missing, of_kind, one
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.tools.columns import Column
from dispatch_host.agents.builtin.tools.csvfile import NotCsv, Reader, look
from dispatch_host.agents.builtin.tools.profile import plain
from dispatch_host.agents.builtin.tools.rows import csv_unless_said, not_a_csv, open_or_say
from dispatch_host.scope import Entry

_MEASURES: dict[str, Callable[[Column], str]] = {
    "mean": lambda column: plain(column.numbers.mean()),
    "sum": lambda column: plain(column.numbers.total),
    "minimum": lambda column: plain(column.numbers.least),
    "maximum": lambda column: plain(column.numbers.greatest),
    "count": lambda column: number(column.values),
}


def measure(query: Query, bench: Bench) -> Findings:
    """Measure one column."""
    bench.step("Looking for the file", bench.around())
    entry = one(csv_unless_said(query), bench)
    if entry is None:
        return Findings(missing(csv_unless_said(query), bench))
    try:
        column = _read(entry, query.column or "", bench)
    except NothingThere as nothing:
        return Findings(nothing.text, [entry])
    facts = f"{plural(column.numbers.count, 'number')}, {number(sum(column.missing.values()))} missing"
    others = column.values - column.numbers.count
    if others:
        facts += f", {plural(others, 'value')} that {'is no number' if others == 1 else 'are no numbers'}"
    if not column.numbers.count and query.measures != ("count",):
        text = f"{code(column.name)} in {code(bench.show(entry))} holds no numbers ({facts})."
        return Findings(text, [entry])
    about = "" if column.numbers.exact else "≈ "
    lines = [
        f"The {name} of {code(column.name)} in {code(bench.show(entry))} is **{about if name in ('mean', 'sum') else ''}"
        f"{_MEASURES[name](column)}**"
        for name in query.measures
    ]
    return Findings("\n".join(f"{line} ({facts})." for line in lines), [entry])


def _read(entry: Entry, said: str, bench: Bench) -> Column:
    if not of_kind(entry.name, "csv"):
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} is no CSV, so it has no columns.")
    bench.step("Reading a column", bench.show(entry))
    with open_or_say(entry, bench) as file:
        if not entry.size:
            raise NothingThere(f"{code(bench.show(entry))} is empty: it has no rows and no columns.")
        try:
            form = look(file)
        except NotCsv:
            raise not_a_csv(entry, bench) from None
        names = [_loose(name) for name in form.columns]
        if _loose(said) not in names:
            listed = ", ".join(cell(name, limit=60) for name in form.columns[:60])
            raise NothingThere(f"There is no column {code(said)} in {code(bench.show(entry))}. It has: {listed}.")
        index = names.index(_loose(said))
        column = Column(form.columns[index], comma=form.separator != ",")
        reader = Reader(file, form)
        for batch in reader.batches():
            column.add([row[index] if index < len(row) else "" for row in batch])
            bench.progress(reader.bytes_read, entry.size, "bytes")
    column.finish()
    return column


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()
