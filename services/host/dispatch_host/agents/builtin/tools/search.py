"""Searches inside files for a phrase: where it stands, with line numbers, and how often altogether.

Case does not matter. Text files of any encoding are searched whole; PDFs as far as their first pages go; everything
else is binary, counted and named in the answer, because "not found" must not mean "not looked".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from dispatch_host.agents.builtin.bench import Bench, Findings, style
from dispatch_host.agents.builtin.markdown import Answer, Table, cell, code, number, plural
from dispatch_host.agents.builtin.matching import described, extension, missing, of_kind, ordered, select
from dispatch_host.agents.builtin.query import USUAL, Action, Query, Sort, Style
from dispatch_host.agents.builtin.tools import office, pdf
from dispatch_host.agents.builtin.tools.encoding import HEAD_BYTES, detect
from dispatch_host.agents.builtin.tools.listing import REMEMBERED, looked
from dispatch_host.agents.builtin.tools.text import blocks
from dispatch_host.scope import Entry, Refused

_SHOWN_EACH = 5  # of one file
_AROUND = 70  # characters of context on each side
_OFFICE_PIECES = 20_000
_PDF_PAGES = 50  # of one PDF
_ALL_PDF_PAGES = 400  # of all: a page takes milliseconds, and thousands would take minutes
_OVERLAP = 4096  # kept of a line that has no end


@dataclass(slots=True)
class Hits:
    """Where one file has the phrase."""

    entry: Entry
    total: int = 0  # lines (pages for a PDF) that have it
    shown: list[tuple[str, str]] = field(default_factory=list)  # where, and the text around

    def add(self, where: str, line: str, phrase: re.Pattern[str]) -> None:
        """Count a line and keep the first few."""
        self.total += 1
        if len(self.shown) < _SHOWN_EACH:
            self.shown.append((where, _around(line, phrase)))


@dataclass(slots=True)
class _Left:
    """What was not searched."""

    binary: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    pdfs: int = 0  # PDFs without text, or that can't be read
    pdfs_cut: int = 0  # of which only the first pages were searched
    pdfs_skipped: int = 0
    documents: int = 0  # office documents that can't be read, or only in part


def search(query: Query, bench: Bench) -> Findings:
    """Search the files a request means."""
    said = query.phrase or ""
    bench.step(f"Searching for \u201c{said}\u201d", bench.around())
    phrase = re.compile(r"\s+".join(map(re.escape, said.split())) or re.escape(said), re.IGNORECASE)
    left = _Left()
    found: list[Hits] = []
    pages = _ALL_PDF_PAGES
    searched = 0
    for entry in ordered(select(query, bench), query.sort or Sort.NAME):
        hits = Hits(entry)
        try:
            with bench.scope.open_file(entry.root, entry.path) as file:
                if of_kind(entry.name, "pdf"):
                    if pages <= 0:
                        left.pdfs_skipped += 1
                        continue
                    pages -= _search_pdf(file, phrase, min(pages, _PDF_PAGES), hits, left)
                elif extension(entry.name) in office.ENDINGS:
                    _search_office(file, extension(entry.name), phrase, hits, left)
                elif not _search_text(file, said, phrase, hits):
                    left.binary[extension(entry.name) or "no ending"] += 1
                    continue
        except (Refused, OSError):
            left.refused += 1
            continue
        searched += 1
        bench.progress(searched, 0, "files")
        if hits.total:
            found.append(hits)
    return _findings(query, bench, found, left, searched)


def _search_text(file: BinaryIO, said: str, phrase: re.Pattern[str], hits: Hits) -> bool:
    """Search a text file; False when it is binary."""
    head = file.read(HEAD_BYTES)
    encoding = detect(head)
    if encoding is None:
        return False
    file.seek(0)
    # Nearly all text has nothing: look at whole pieces first, and at lines only where the first word occurs.
    word = said.split(maxsplit=1)[0].casefold() if said.split() else said
    line_number = 1
    kept = ""
    counted = 0  # the last line counted: one without end comes in pieces
    for piece in _whole_lines(blocks(file, encoding)):
        text = kept + piece
        ended = text.endswith("\n")
        if word in text.casefold() and phrase.search(text):
            lines = text.split("\n")
            for offset, line in enumerate(lines):
                if phrase.search(line) and counted != line_number + offset:
                    counted = line_number + offset
                    hits.add(f"line {number(counted)}", line, phrase)
        line_number += text.count("\n")
        kept = "" if ended else text.rpartition("\n")[2][-_OVERLAP:]
    return True


def _whole_lines(pieces: Iterator[str]) -> Iterator[str]:
    """Join pieces so that each ends with a line, as long as lines have an end within a megabyte."""
    kept = ""
    for piece in pieces:
        cut = piece.rfind("\n") + 1
        if cut:
            yield kept + piece[:cut]
            kept = piece[cut:]
        else:
            kept += piece
            if len(kept) > 1024 * 1024:
                yield kept
                kept = ""
    if kept:
        yield kept


def _search_pdf(file: BinaryIO, phrase: re.Pattern[str], limit: int, hits: Hits, left: _Left) -> int:
    """Search the first pages of a PDF; return how many pages were read."""
    try:
        read = pdf.read(file, page_limit=limit)
    except pdf.PdfUnreadable:
        left.pdfs += 1
        return 1
    if not any(text.strip() for text in read.texts):
        left.pdfs += 1
    for index, text in enumerate(read.texts, start=1):
        flat = re.sub(r"\s+", " ", text)
        if phrase.search(flat):
            hits.add(f"page {number(index)}", flat, phrase)
    if read.pages > len(read.texts):
        left.pdfs_cut += 1
    return len(read.texts)


def _search_office(file: BinaryIO, ending: str, phrase: re.Pattern[str], hits: Hits, left: _Left) -> None:
    """Search an office document, as far as one is read."""
    what = {".pptx": "slide", ".docx": "paragraph"}.get(ending, "row")
    try:
        for index, piece in enumerate(office.pieces(file, ending), start=1):
            flat = re.sub(r"\s+", " ", piece)
            if phrase.search(flat):
                hits.add(f"{what} {number(index)}", flat, phrase)
            if index == _OFFICE_PIECES:
                left.documents += 1
                return
    except office.OfficeUnreadable:
        left.documents += 1


def _around(line: str, phrase: re.Pattern[str]) -> str:
    match = phrase.search(line)
    if match is None:
        return line[: 2 * _AROUND]
    start, end = max(match.start() - _AROUND, 0), min(match.end() + _AROUND, match.start() + 4 * _AROUND)
    return f"{'…' if start else ''}{line[start:end].strip()}{'…' if end < len(line) else ''}"


def _findings(query: Query, bench: Bench, found: list[Hits], left: _Left, searched: int) -> Findings:
    said = code(query.phrase or "")
    answer = Answer()
    if not found:
        if (
            not searched
            and not left.binary
            and not left.pdfs_skipped
            and (query.kind or query.name or query.file or query.paths)
        ):
            answer.add(missing(query, bench))
        else:
            answer.add(f"No file in {bench.where()} contains {said}.")
    else:
        total = sum(hits.total for hits in found)
        answer.add(
            f"{said} stands in **{plural(len(found), 'file')}** in {bench.where()}, "
            f"in **{number(total)} {'line or page' if total == 1 else 'lines or pages'}** altogether."
        )
        shown = _show(answer, query, bench, found)
        if shown < total:
            answer.add(f"{number(shown)} of {number(total)} places are shown.")
    what = "" if query.kind is None and query.name is None else f" ({described(query)})"
    answer.add(f"Searched {plural(searched, 'file')}{what}, without regard to case.")
    for remark in (*_not_searched(left), looked(bench), bench.remarks()):
        if remark:
            answer.add(remark)
    return Findings(answer.text(), [hits.entry for hits in found][:REMEMBERED], follow=Query(action=Action.SUMMARISE))


def _show(answer: Answer, query: Query, bench: Bench, found: list[Hits]) -> int:
    limit = query.count or USUAL[Action.SEARCH]  # places of all files together
    rows: list[tuple[Hits, str, str]] = []
    for hits in found:
        rows += [(hits, where, text) for where, text in hits.shown]
    rows = rows[:limit]
    if style(query, Style.LIST) is Style.TABLE:
        table = Table(
            ["File", "Where", "Text"],
            [[code(bench.show(h.entry)), where, cell(text, limit=400)] for h, where, text in rows],
        )
        return answer.table(table, Style.TABLE)
    for hits in found:
        own = [(where, text) for owner, where, text in rows if owner is hits]
        if not own:
            break
        more = f" ({number(hits.total)})" if hits.total > 1 else ""
        lines = [
            f"- {code(bench.show(hits.entry))}{more}",
            *(f"  - {where}: {cell(text, limit=400)}" for where, text in own),
        ]
        answer.add("\n".join(lines))
    return len(rows)


def _not_searched(left: _Left) -> Iterator[str]:
    if left.binary:
        kinds = ", ".join(f"{number(times)} {kind}" for kind, times in left.binary.most_common(6))
        yield f"Not searched: {plural(left.binary.total(), 'binary file')} ({kinds})."
    if left.pdfs:
        yield f"{plural(left.pdfs, 'PDF')} had no text to search: scanned, encrypted or damaged."
    if left.pdfs_cut or left.pdfs_skipped:
        yield (
            f"Of {plural(left.pdfs_cut, 'PDF')} only the first pages were searched, {plural(left.pdfs_skipped, 'PDF')} not at all: "
            f"at most {_PDF_PAGES} pages of one and {_ALL_PDF_PAGES} of all together."
        )
    if left.documents:
        most = number(_OFFICE_PIECES)
        yield f"Of {plural(left.documents, 'office document')} nothing was read, or only the first {most} paragraphs or rows."
    if left.refused:
        yield f"{plural(left.refused, 'file')} could not be read."
