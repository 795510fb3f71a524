"""Summarises a CSV of any size: rows, columns, types, missing values, extremes, means and the most frequent values.

One reading, in batches; a second one only for columns that could not be counted for want of memory. Called by
summarise.py.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import BinaryIO

from dispatch_host.agents.builtin.bench import Bench
from dispatch_host.agents.builtin.markdown import Answer, Table, cell, code, number, plural
from dispatch_host.agents.builtin.query import Style
from dispatch_host.agents.builtin.tools.columns import DISTINCT_LIMIT, Column, Type
from dispatch_host.agents.builtin.tools.csvfile import Format, Reader

COUNTS_BYTES = 14 * 1024 * 1024  # for the counted values of all columns together, about
_COLUMNS = 400  # more columns than anybody reads are not summarised
_READINGS = 12
_COLLECTED_AFTER = 100_000  # new containers between two looks for cycles: rows by the million, and none is in one
_TOP = 5


@dataclass(slots=True)
class Profile:
    """What a CSV holds."""

    columns: list[Column]
    rows: int = 0
    short: int = 0  # rows with fewer cells than columns
    long: int = 0
    bad_bytes: int = 0
    broken: int = 0
    left_out: int = 0  # columns beyond those summarised
    uncounted: list[Column] = field(default_factory=list)


def profile(file: BinaryIO, form: Format, bench: Bench, total_bytes: int) -> Profile:
    """Read a whole CSV and work out what it holds."""
    comma = form.separator != ","
    result = Profile([Column(name, comma=comma) for name in form.columns[:_COLUMNS]])
    result.left_out = max(form.width - _COLUMNS, 0)
    reader = Reader(file, form)
    with _seldom_collected():
        for batch in reader.batches():
            result.rows += len(batch)
            for column, cells in zip(result.columns, _turn(batch, form.width, result), strict=False):
                column.add(cells)
            _make_room(result.columns)
            bench.progress(reader.bytes_read, total_bytes, "bytes")
    result.bad_bytes, result.broken = reader.bad_bytes, reader.broken
    for column in result.columns:
        column.finish()
    _count_again(file, form, bench, total_bytes, result)
    return result


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(_COLLECTED_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _turn(batch: list[list[str]], width: int, result: Profile) -> Iterable[Sequence[str]]:
    """Turn rows into columns; rows of another length are counted, filled up or cut."""
    if set(map(len, batch)) != {width}:
        for index, row in enumerate(batch):
            if len(row) < width:
                result.short += 1
                batch[index] = row + [""] * (width - len(row))
            elif len(row) > width:
                result.long += 1
                batch[index] = row[:width]
    return zip(*batch, strict=True)


def _make_room(columns: Iterable[Column]) -> None:
    """Give up counting the costliest columns while all together take more memory than allowed."""
    counting = [column for column in columns if column.seen is not None]
    spent = sum(column.cost for column in counting)
    for column in sorted(counting, key=lambda column: -column.cost):
        if spent <= COUNTS_BYTES:
            return
        spent -= column.cost
        column.evict()


def _count_again(file: BinaryIO, form: Format, bench: Bench, total_bytes: int, result: Profile) -> None:
    """Read again to count the columns that there was no room for, as many at a time as there is room."""
    waiting = [index for index, column in enumerate(result.columns) if column.evicted]
    for _ in range(_READINGS):
        if not waiting:
            return
        bench.step("Reading again", f"{plural(len(waiting), 'column')} with many different values")
        # Each may need as much as the limit of values allows: so many fit at once for certain.
        now = waiting[: max(COUNTS_BYTES // (DISTINCT_LIMIT * 350), 1)]
        waiting = waiting[len(now) :]
        for index in now:
            result.columns[index].recount()
        reader = Reader(file, form)
        for batch in reader.batches():
            for index in now:
                column = result.columns[index]
                if column.seen is not None:
                    column.count([row[index] if index < len(row) else "" for row in batch])
                    if len(column.seen) > DISTINCT_LIMIT:
                        column.seen, column.too_many = None, True
            bench.progress(reader.bytes_read, total_bytes, "bytes")
    result.uncounted = [result.columns[index] for index in waiting]


def write(answer: Answer, result: Profile, form: Format, style: Style) -> None:
    """Write what a CSV holds as Markdown."""
    answer.add(
        f"**{plural(result.rows, 'row')}**, **{plural(form.width, 'column')}**"
        f" ({form.separator_name}-separated, {form.encoding.label}"
        f"{'' if form.header else ', no header row'})."
    )
    if result.rows:
        table = Table(["Column", "Type", "Missing", "Distinct", "Min", "Max", "Mean"], right=frozenset({2, 3, 4, 5, 6}))
        table.rows = [_row(column) for column in result.columns]
        answer.table(table, style)
        _categories(answer, result)
    for remark in _remarks(result, form):
        answer.add(remark)


def _row(column: Column) -> list[str]:
    numbers = column.numbers
    numeric = column.type in (Type.INTEGER, Type.NUMBER) or column.mostly_numbers
    low, high, mean = "", "", ""
    if numeric:
        low, high = cell(plain(numbers.least)), cell(plain(numbers.greatest))
        mean = ("" if numbers.exact else "≈ ") + plain(numbers.mean())
    elif column.type in (Type.DATE, Type.TIME):
        found = column.date_range()
        low, high = (cell(found[0]), cell(found[1])) if found else ("unclear", "unclear")
    distinct = column.distinct
    return [
        cell(column.name),
        column.type if not column.mostly_numbers else "text, mostly numbers",
        number(sum(column.missing.values())),
        f"> {number(DISTINCT_LIMIT)}" if column.too_many else "not counted" if distinct is None else number(distinct),
        low,
        high,
        mean,
    ]


def plain(value: int | Decimal | None) -> str:
    """Write a number without an exponent where it is of ordinary size, and without zeros that say nothing."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value) if value.bit_length() < 600 else f"{Decimal(value):.15E}"
    if value and not -10 <= value.adjusted() <= 30:
        return str(value)
    text = f"{value:f}"
    return text if len(text) <= 40 else str(value)


def _categories(answer: Answer, result: Profile) -> None:
    lines = []
    for column in result.columns:
        distinct = column.distinct
        if distinct is None or not distinct:
            continue
        top = column.top(_TOP)
        if top[0][1] == 1 and distinct > 1:
            lines.append(f"- {cell(column.name)}: none; its {number(distinct)} values all differ")
            continue
        listed = ", ".join(f"{cell(value, limit=60)} ({number(times)})" for value, times in top)
        lines.append(
            f"- {cell(column.name)}: {listed}{f', and {number(distinct - _TOP)} more' if distinct > _TOP else ''}"
        )
    if lines:
        answer.add("**Most frequent values**")
        answer.add("\n".join(lines))


def _remarks(result: Profile, form: Format) -> Iterable[str]:
    many = [column.name for column in result.columns if column.too_many]
    if many:
        yield (
            f"More than {number(DISTINCT_LIMIT)} different values, so their most frequent ones were not counted: "
            f"{', '.join(code(name) for name in many[:20])}{' and more' if len(many) > 20 else ''}."
        )
    if result.uncounted:
        names = ", ".join(code(column.name) for column in result.uncounted[:20])
        yield f"Different values not counted, for there are too many columns with many of them: {names}."
    for column in result.columns:
        if column.mostly_numbers:
            yield (
                f"In {code(column.name)} {number(column.values - column.numbers.count)} of {number(column.values)} values are not "
                "numbers; min, max and mean are those of the numbers."
            )
    written = (
        sum((column.missing for column in result.columns), start=type(result.columns[0].missing)())
        if result.columns
        else {}
    )
    words = {word: times for word, times in written.items() if word}
    if words:
        listed = ", ".join(f"{code(word)} ({number(times)})" for word, times in sorted(words.items()))
        yield f"Counted as missing, besides empty cells: {listed}."
    if result.short or result.long:
        yield (
            f"Rows of another length: {number(result.short)} with fewer cells than columns (the rest counted as missing), "
            f"{number(result.long)} with more (what is beyond was left out)."
        )
    if any(column.commas for column in result.columns):
        yield "Numbers are written with a decimal comma."
    if any(column.type in (Type.DATE, Type.TIME) and column.date_range() is None for column in result.columns):
        yield "Where min and max are unclear, day and month of the dates can't be told apart."
    if result.broken:
        yield f"{plural(result.broken, 'record')} left out: a quote that never closes, or a line without end."
    if result.bad_bytes:
        yield f"Bytes that are not valid {form.encoding.label}, shown as \\x…: {number(result.bad_bytes)}."
    if result.left_out:
        yield f"Only the first {number(_COLUMNS)} columns are summarised; {plural(result.left_out, 'more column')} left out."
