"""The rows of an .xlsx workbook, as values: what a cell shows is not calculated, but what was calculated last. Wraps openpyxl."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from openpyxl import Workbook


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


def names(file: BinaryIO) -> Sequence[str]:
    """Name the sheets of a workbook that have rows, in their order."""
    with _opened(file) as book:
        return [sheet.title for sheet in book.worksheets]


def rows(file: BinaryIO, name: str) -> Iterator[list[str]]:
    """Give the rows of a sheet, of the first one without a name. Raises OfficeUnreadable."""
    with _opened(file) as book:
        found = [sheet for sheet in book.worksheets if not name or sheet.title.casefold() == name.casefold()]
        if not found:
            raise OfficeUnreadable("has no such sheet")
        sheet = found[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong, and then rows would be missing
        for row in sheet.iter_rows(values_only=True):
            yield [_written(value) for value in row]


def lines(file: BinaryIO) -> Iterator[str]:
    """Give all sheets as text: their names, and their rows as CSV."""
    for name in names(file):
        yield f"Sheet {name}"
        for row in rows(file, name):
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
