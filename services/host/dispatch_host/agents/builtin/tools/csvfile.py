"""Reads any CSV a person has: separator, encoding and header found by looking, rows in batches, memory bounded.

Knows nothing of statistics. Called by rows.py (the first rows) and profile.py (all of them).
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from dispatch_host.agents.builtin.tools.encoding import HEAD_BYTES, Encoding, detect

FIELD_LIMIT = 1024 * 1024  # characters of one field: more is an open quote, not data
_BLOCK_BYTES = 256 * 1024
_BATCH_BYTES = 1024 * 1024
_BATCH_ROWS = 8192
_STEP_ROWS = 128
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][+-]?\d+)?%?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*")


class NotCsv(Exception):
    """The file is not text, so it is no CSV."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a CSV is written."""

    encoding: Encoding
    separator: str
    skip_space: bool
    preamble: int  # lines before the table: Excel's `sep=;`
    header: tuple[str, ...] | None  # None: the first row is data
    width: int  # columns

    @property
    def separator_name(self) -> str:
        """Name the separator in a sentence."""
        return _SEPARATORS[self.separator]

    @property
    def columns(self) -> list[str]:
        """Name every column; nameless and doubled ones get a number."""
        names: list[str] = []
        used: Counter[str] = Counter()
        for index in range(self.width):
            name = self.header[index].strip() if self.header and index < len(self.header) else ""
            name = name or f"column {index + 1}"
            used[name] += 1
            names.append(name if used[name] == 1 else f"{name} ({used[name]})")
        return names


def look(file: BinaryIO) -> Format:
    """Find out how a CSV is written from its beginning; raise NotCsv for what is no text."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    encoding = detect(head)
    if encoding is None:
        raise NotCsv
    text = codecs.getincrementaldecoder(encoding.codec)(encoding.errors).decode(head, final=len(head) < HEAD_BYTES)
    text = text.removeprefix("\ufeff")
    preamble = 0
    told = re.match(r"sep=(.)\r?\n", text)
    if told and told[1] in _SEPARATORS:
        text, preamble = text[told.end() :], 1
    if len(head) == HEAD_BYTES:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    separator = told[1] if told and preamble else _separator(text)
    skip_space = bool(re.search(rf'{re.escape(separator)} +"', text)) and separator != "\t"
    sample = _parse(text, separator, skip_space, 200)
    width = Counter(len(row) for row in sample).most_common(1)[0][0] if sample else 0
    header = _header(sample)
    if header is not None:
        width = len(header)
    return Format(encoding, separator, skip_space, preamble, header, width)


def _parse(text: str, separator: str, skip_space: bool, limit: int) -> list[list[str]]:
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=skip_space)
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # the sample ends inside a quoted field
        rows.extend(islice((row for row in reader if row), limit))
    return rows


def _separator(text: str) -> str:
    """Choose the separator that cuts most rows into the same number of fields, the more fields the better."""
    best, best_score = ",", 0.0
    for separator in _SEPARATORS:
        rows = _parse(text, separator, False, 100)
        if not rows:
            continue
        (width, times), *_ = Counter(len(row) for row in rows).most_common(1)
        if width > 1:
            score = times / len(rows) + min(width, 50) / 500
            if score > best_score + 1e-9:
                best, best_score = separator, score
    return best


def _header(sample: list[list[str]]) -> tuple[str, ...] | None:
    """Take the first row for a header unless it looks like the rows below it: numbers or dates over numbers or dates."""
    if not sample:
        return None
    first, rest = sample[0], sample[1:50]
    if len(first) == 1 and not rest:
        return tuple(first)
    against = 0
    in_favour = 0
    for index, name in enumerate(first):
        below = [row[index] for row in rest if index < len(row) and row[index].strip()]
        typed = bool(below) and sum(map(_is_value, below)) > len(below) * 0.8
        if _is_value(name):
            year = re.fullmatch(r"(?:19|20)\d\d", name.strip()) and not all(
                re.fullmatch(r"(?:19|20)\d\d", b.strip()) for b in below
            )
            against += 0 if year else 1
        elif typed:
            in_favour += 1
    if in_favour >= against and (in_favour or not against):
        return tuple(first)
    return None


def _is_value(text: str) -> bool:
    text = text.strip()
    return bool(_NUMBER.fullmatch(text) or _DATE.fullmatch(text))


class Reader:
    """Reads the rows of a CSV once, in batches. Counts what is not as it should be."""

    def __init__(self, file: BinaryIO, form: Format) -> None:
        csv.field_size_limit(FIELD_LIMIT)
        self.bytes_read = 0
        self.bad_bytes = 0  # that are not of the encoding
        self.broken = 0  # records given up: an unclosed quote, a line without end
        self._file = file
        self._form = form
        file.seek(0)
        lines = chain.from_iterable(self._blocks())
        for _ in range(form.preamble):
            next(lines, None)
        self._rows = csv.reader(lines, delimiter=form.separator, skipinitialspace=form.skip_space)
        if form.header is not None:
            while next(self._rows, [""]) == []:
                pass

    def batches(self) -> Iterator[list[list[str]]]:
        """Give all rows, blank lines left out, in batches of about a megabyte."""
        batch: list[list[str]] = []
        start = self.bytes_read
        while True:
            before = len(batch)
            ended = False
            try:
                # extend keeps the rows that came before an error
                batch.extend(islice(self._rows, _STEP_ROWS))
                ended = len(batch) - before < _STEP_ROWS
            except csv.Error:
                self.broken += 1
            if ended or len(batch) >= _BATCH_ROWS or self.bytes_read - start >= _BATCH_BYTES:
                kept = [row for row in batch if row] if [] in batch else batch
                if kept:
                    yield kept
                if ended:
                    return
                batch, start = [], self.bytes_read

    def rows(self) -> Iterator[list[str]]:
        """Give one row after the other."""
        while True:
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except csv.Error:
                self.broken += 1
                continue
            if row:
                yield row

    def _blocks(self) -> Iterator[io.StringIO]:
        """Give the text in whole lines. A line longer than a field may be is dropped and counted."""
        decoder = codecs.getincrementaldecoder(self._form.encoding.codec)(self._form.encoding.errors)
        kept = ""
        dropping = False
        first = True
        while True:
            raw = self._file.read(_BLOCK_BYTES)
            self.bytes_read += len(raw)
            text = decoder.decode(raw, final=not raw)
            if first:
                text, first = text.removeprefix("\ufeff"), False
            if not text.isascii():
                self._count_bad(text)
            text = kept + text
            if not raw:
                if text and not dropping:
                    yield io.StringIO(text, newline="")
                return
            cut = text.rfind("\n") + 1 or text.rfind("\r", 0, len(text) - 1) + 1
            if dropping and cut:
                end = min(at for at in (text.find("\n"), text.find("\r")) if at >= 0) + 1
                text, cut, dropping = text[end:], cut - end, False
            if cut > 0:
                yield io.StringIO(text[:cut], newline="")
            kept = text[max(cut, 0) :]
            if dropping:
                kept = ""
            elif len(kept) > FIELD_LIMIT:
                kept, dropping = "", True
                self.broken += 1

    def _count_bad(self, text: str) -> None:
        if self._form.encoding.errors == "replace":
            self.bad_bytes += text.count("\ufffd")
            return
        try:
            text.encode()
        except UnicodeEncodeError:
            self.bad_bytes += sum("\udc80" <= character <= "\udcff" for character in text)
