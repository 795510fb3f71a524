"""Converts: the text of PDFs and office documents into text files, a sheet of a workbook into a CSV. Makes a plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings
from dispatch_host.agents.builtin.markdown import code, number, plural
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.tools import office, pdf, planning, sheet
from dispatch_host.agents.builtin.tools.planning import Planning
from dispatch_host.agents.builtin.tools.rows import open_or_say
from dispatch_host.changes import Convert, How, Plan
from dispatch_host.scope import Entry

_TEXT = (".pdf", *office.ENDINGS)
_CSV = (".xlsx", ".xlsm")
_TIMES = 64  # as long as its source a text may become: a document is packed, and hardly any tighter
_LEAST_BYTES = 4 * 1024 * 1024  # that it may have in any case
_MOST = 200  # files looked into before anything is asked


def convert(query: Query, bench: Bench) -> Findings:
    """Plan new files of those that a request means."""
    into, part = (*query.how, "", "")[:2]
    endings, ending = (_CSV, ".csv") if into == "csv" else (_TEXT, ".txt")
    bench.step("Looking for the file", bench.around())
    entries = planning.selected(query, bench)
    fitting = [entry for entry in entries if matching.extension(entry.name) in endings]
    if not entries:
        return Findings(matching.missing(query, bench))
    if not fitting:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, _can_not(entries[0], bench, into))
    if len(fitting) > _MOST:
        raise CannotDo(
            NotDoneReason.NEEDS_AGENT,
            f"Those are {number(len(fitting))} files; I convert at most {_MOST} at once. Nothing was changed.",
        )
    made = Planning(bench)
    remarks: list[str] = []
    steps: list[Convert] = []
    for place, entry in enumerate(fitting, start=1):
        bench.progress(place, len(fitting), "files")
        try:
            chosen, remark = _look(entry, into, part, bench)
        except CannotDo as cannot:
            if len(fitting) == 1:
                raise
            remarks.append(cannot.text)
            continue
        source = planning.absolute(entry)
        folder = made.folder_for(os.path.dirname(source))
        name = f"{entry.name.rpartition('.')[0]}{ending}"
        if query.target and len(fitting) == 1:
            name = planning.new_name(query.target)
            name = name if matching.extension(name) else f"{name}{ending}"
        how = How.CSV if into == "csv" else How.TEXT
        most_bytes = max(_LEAST_BYTES, _TIMES * entry.size)
        target = made.free(os.path.join(folder, name))
        steps.append(Convert(source, target, planning.facts(entry), how, most_bytes, chosen))
        remarks += filter(None, [remark])
    if not steps:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, "\n\n".join(remarks))
    if len(fitting) < len(entries):
        remarks.append(f"{plural(len(entries) - len(fitting), 'file')} of another kind left out.")
    what = "CSV" if into == "csv" else "text"
    title = f"Convert {plural(len(steps), 'file')} to {what}"
    return Findings("\n\n".join(remarks), fitting, plan=Plan(title, tuple(steps)))


def _can_not(entry: Entry, bench: Bench, into: str) -> str:
    what = "a workbook (.xlsx)" if into == "csv" else "a PDF, a .docx, a .pptx or an .xlsx"
    to = "a CSV" if into == "csv" else "text"
    return f"{code(bench.show(entry))} can't be converted to {to}: that takes {what}. Nothing was changed."


def _look(entry: Entry, into: str, part: str, bench: Bench) -> tuple[str, str]:
    """Look into a file before anybody is asked; give the part of it that is meant, and a remark. Raises CannotDo."""
    ending = matching.extension(entry.name)
    try:
        with open_or_say(entry, bench) as file:
            if into == "csv":
                return _sheet(sheet.names(file), part, entry, bench)
            if ending == ".pdf":
                found = pdf.read(file, page_limit=1)
                return ending, _pages(found.pages, found.texts, entry, bench)
            list(islice(office.pieces(file, ending), 1))
            return ending, ""
    except (pdf.PdfUnreadable, sheet.OfficeUnreadable) as unreadable:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} {unreadable}.") from None


def _pages(total: int, texts: Sequence[str], entry: Entry, bench: Bench) -> str:
    said = f"{code(bench.show(entry))} has {plural(total, 'page')}."
    return said if any(text.strip() for text in texts) else f"{said} Its first page has no text: it may be scanned."


def _sheet(names: Sequence[str], part: str, entry: Entry, bench: Bench) -> tuple[str, str]:
    listed = ", ".join(code(name) for name in names[:50])
    if not names:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} has no sheet with rows.")
    if part:
        for name in names:
            if name.casefold() == part.casefold():
                return name, ""
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE, f"{code(bench.show(entry))} has no sheet {code(part)}. It has: {listed}."
        )
    if len(names) == 1:
        return names[0], ""
    return names[0], f"{code(bench.show(entry))} has {number(len(names))} sheets: {listed}. This is the first of them."
