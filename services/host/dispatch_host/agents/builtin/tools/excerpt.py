"""A folder's contents, and a part of a file's text: for a language model, which reads a long file by asking again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings
from dispatch_host.agents.builtin.markdown import Answer, Table, code, moment, number, plural, size
from dispatch_host.agents.builtin.query import Query, Style
from dispatch_host.agents.builtin.tools import office, pdf, text
from dispatch_host.agents.builtin.tools.rows import open_or_say
from dispatch_host.scope import Entry

_BYTES = 20 * 1024  # of one excerpt
_LINES, _PAGES = 400, 10
_ENTRIES, _MOST_ENTRIES = 200, 500
_LINE = 2000  # characters shown of one line


def contents(query: Query, bench: Bench) -> Findings:
    """List what is directly in a folder, subfolders first."""
    found: list[Entry] = []
    for place in bench.places:
        found += place.root.list(place.path, bench.tally)
    found.sort(key=lambda entry: (not entry.is_dir, entry.name.casefold(), entry.name))
    limit = min(query.count or _ENTRIES, _MOST_ENTRIES)
    here = found[query.skip : query.skip + limit]
    answer = Answer()
    folders = sum(entry.is_dir for entry in found)
    answer.add(
        f"{bench.where()} holds {plural(folders, 'folder')} and {plural(len(found) - folders, 'file')} directly in it."
    )
    if here:
        rows: list[Sequence[str]] = [
            [
                code(bench.show(entry)),
                "folder" if entry.is_dir else size(entry.size),
                "" if entry.is_dir else moment(bench.modified(entry)),
            ]
            for entry in here
        ]
        shown = answer.table(Table(["Name", "Size", "Modified"], rows), Style.TABLE)
        if query.skip + shown < len(found):
            answer.add(f"{number(query.skip + shown)} of {number(len(found))} are shown; skip them for the next ones.")
    if bench.remarks():
        answer.add(bench.remarks())
    return Findings(answer.text(), here)


def excerpt(query: Query, bench: Bench) -> Findings:
    """Give a part of the text of one file: lines, pages of a PDF, paragraphs, slides or rows of an office document."""
    entry = matching.one(query, bench)
    if entry is None:
        return Findings(matching.missing(query, bench))
    ending = matching.extension(entry.name)
    try:
        with open_or_say(entry, bench) as file:
            if ending == ".pdf":
                limit = min(query.count or _PAGES, 10 * _PAGES)
                read = pdf.part(file, skip=query.skip, most=limit)
                pieces = [f"[page {place}]\n{page}" for place, page in enumerate(read.texts, query.skip + 1)]
                return _given(entry, bench, query, pieces, more=read.pages > query.skip + limit, total=read.pages)
            limit = min(query.count or _LINES, 10 * _LINES)
            source = office.pieces(file, ending) if ending in office.ENDINGS else text.lines(file, bench, entry)
            found = list(islice(source, query.skip, query.skip + limit + 1))
    except (pdf.PdfUnreadable, office.OfficeUnreadable) as unreadable:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} {unreadable}.") from None
    return _given(entry, bench, query, found[:limit], more=len(found) > limit)


def _given(
    entry: Entry, bench: Bench, query: Query, pieces: Iterable[str], *, more: bool, total: int | None = None
) -> Findings:
    """Write as many pieces as have room, and where to go on."""
    kept: list[str] = []
    left = _BYTES
    for piece in pieces:
        cut = piece if total is not None or len(piece) <= _LINE else f"{piece[:_LINE]}…"
        needed = len(cut.encode(errors="replace")) + 1
        if needed > left and kept:
            more = True
            break
        kept.append(cut if needed <= left else cut.encode(errors="replace")[:left].decode(errors="ignore") + "…")
        left -= needed
    what = "page" if total is not None else "line"
    answer = Answer()
    of = f" of {number(total)}" if total is not None else ""
    first, last = query.skip + 1, query.skip + len(kept)
    facts = f"{size(entry.size)}, modified {moment(bench.modified(entry))}"
    if not kept:
        answer.add(f"{code(bench.show(entry))} ({facts}) has no {what} after {number(query.skip)}{of}.")
        return Findings(answer.text(), [entry])
    answer.add(f"{code(bench.show(entry))} ({facts}), {what}s {number(first)} to {number(last)}{of}:")
    answer.fenced("\n".join(kept))
    answer.add(f"There is more: skip {last} for what follows." if more else "That is its end.")
    if total is not None and not any(piece.partition("\n")[2].strip() for piece in kept):
        answer.add("These pages have no text that can be read: they are probably scanned.")
    return Findings(answer.text(), [entry])
