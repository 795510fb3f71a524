"""The rows of an .xlsx workbook, as values: what a cell shows is not calculated, but what was calculated last. Wraps openpyxl."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from dispatch_host.agents.builtin.tools.patience import FILE_SECONDS, WHOLE_SECONDS, TooLong, within

if TYPE_CHECKING:
    from openpyxl import Workbook

T = TypeVar("T")

_MOST_ROWS = 1_048_576  # of a sheet by its format; a row says its number itself, and those before it would all be empty


class OfficeUnreadable(Exception):
    """The text can't be had. The message ends a sentence: "is encrypted, …"."""


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Workbook]:
    import openpyxl  # noqa: PLC0415  a quarter of a second that only workbooks cost

    try:
        with warnings.catch_warnings(action="ignore"):
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                yield book
            finally:
                book.close()
    except OfficeUnreadable:
        raise
    except MemoryError:
        raise OfficeUnreadable("needs more memory to be read than allowed") from None
    except Exception as error:  # whatever a hostile file makes the parser raise
        raise OfficeUnreadable("is damaged or encrypted, or no workbook inside: its rows can't be read") from error


def in_time(pieces: Iterator[T], seconds: float) -> Iterator[T]:
    """Give what is read of a document, within a time. Raises OfficeUnreadable."""
    try:
        yield from within(pieces, seconds)
    except TooLong:
        raise OfficeUnreadable(f"took longer than {seconds:g} seconds to read, so it was given up") from None


def names(file: BinaryIO) -> Sequence[str]:
    """Name the sheets of a workbook that have rows, in their order. Raises OfficeUnreadable."""
    return list(in_time(_names(file), FILE_SECONDS))


def _names(file: BinaryIO) -> Iterator[str]:
    with _opened(file) as book:
        yield from [sheet.title for sheet in book.worksheets]


def rows(file: BinaryIO, name: str, *, seconds: float = WHOLE_SECONDS) -> Iterator[list[str]]:
    """Give the rows of a sheet, of the first one without a name. Raises OfficeUnreadable."""
    return in_time(_rows(file, name), seconds)


def _rows(file: BinaryIO, name: str) -> Iterator[list[str]]:
    with _opened(file) as book:
        found = [sheet for sheet in book.worksheets if not name or sheet.title.casefold() == name.casefold()]
        if not found:
            raise OfficeUnreadable("has no such sheet")
        sheet = found[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong, and then rows would be missing
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            if number > _MOST_ROWS:
                raise OfficeUnreadable("has more rows than there are in a workbook")
            yield [_written(value) for value in row]


def lines(file: BinaryIO) -> Iterator[str]:
    """Give all sheets as text: their names, and their rows as CSV."""
    for name in list(_names(file)):
        yield f"Sheet {name}"
        for row in _rows(file, name):
            yield as_csv(row).rstrip("\r\n")


def as_csv(row: Sequence[str]) -> str:
    """Write a row of a CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)
    return line.getvalue()


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case _:
            return str(value)
