"""Summarises one file by what it is: a CSV by its statistics, a PDF or a text by its most telling sentences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, style
from dispatch_host.agents.builtin.markdown import Answer, cell, code, moment, number, plural, size
from dispatch_host.agents.builtin.query import Action, Query, Style
from dispatch_host.agents.builtin.tools import listing, office, pdf, text, textrank
from dispatch_host.agents.builtin.tools.csvfile import NotCsv, look
from dispatch_host.agents.builtin.tools.profile import profile, write
from dispatch_host.agents.builtin.tools.rows import not_a_csv, open_or_say
from dispatch_host.scope import Entry

_PDF_PAGES = 20
_SENTENCES = 5
_LINES = 4000
_READ_LINES = 400


def summarise(query: Query, bench: Bench) -> Findings:
    """Summarise the one file a request means."""
    bench.step("Looking for the file", bench.around())
    entry = matching.one(query, bench)
    if entry is None:
        return Findings(matching.missing(query, bench))
    answer = Answer()
    _write(answer, entry, query, bench)
    return Findings(answer.text(), [entry])


def find_and_summarise(query: Query, bench: Bench) -> Findings:
    """List the files that fit, then summarise the one asked for. What can't be summarised does not spoil the list."""
    found = listing.find(query, bench)
    which = query.summarise or 1
    if not found.items:
        return found
    bench.text(f"{found.text}\n\n")
    try:
        entry = found.items[which - 1 if which > 0 else which]
    except IndexError:
        found.text += f"\n\nThere is no number {which} to summarise: only {plural(len(found.items), 'file')} fit."
        return found
    answer = Answer(limit_bytes=16 * 1024)
    try:
        _write(answer, entry, query, bench)
    except CannotDo as cannot:
        answer.add(cannot.text)
    found.text += f"\n\n{answer.text()}"
    found.follow = Query(action=Action.SUMMARISE)
    return found


def read(query: Query, bench: Bench) -> Findings:
    """Show a text file, the text of a PDF, or the first rows of a CSV."""
    bench.step("Looking for the file", bench.around())
    entry = matching.one(query, bench)
    if entry is None:
        return Findings(matching.missing(query, bench))
    answer = Answer()
    bench.step("Reading", bench.show(entry))
    if matching.of_kind(entry.name, "pdf"):
        _pdf(answer, entry, bench, lambda found: answer.fenced("\n".join(found)))
    elif matching.of_kind(entry.name, "csv"):
        _write(answer, entry, query, bench)
    elif matching.extension(entry.name) in office.ENDINGS:
        _office(answer, entry, bench, answer.fenced)
    else:
        with open_or_say(entry, bench) as file:
            lines = list(islice(text.lines(file, bench, entry), _READ_LINES + 1))
        answer.add(_facts(entry, bench))
        answer.fenced("\n".join(line if len(line) <= 2000 else f"{line[:2000]}…" for line in lines[:_READ_LINES]))
        if len(lines) > _READ_LINES:
            answer.add(f"Only the first {_READ_LINES} lines are shown.")
    return Findings(answer.text(), [entry])


def _facts(entry: Entry, bench: Bench, more: str = "") -> str:
    facts = f"{size(entry.size)} ({number(entry.size)} bytes){more}, modified {moment(bench.modified(entry))}"
    return f"**{code(bench.show(entry))}**: {facts}."


def _write(answer: Answer, entry: Entry, query: Query, bench: Bench) -> None:
    bench.step("Summarising", bench.show(entry))
    if matching.of_kind(entry.name, "csv"):
        _csv(answer, entry, query, bench)
    elif matching.of_kind(entry.name, "pdf"):
        _pdf(answer, entry, bench, lambda found: summary(answer, "\n\n".join(found)))
    elif matching.extension(entry.name) in office.ENDINGS:
        _office(answer, entry, bench, lambda found: summary(answer, found))
    else:
        _text(answer, entry, bench)


def _csv(answer: Answer, entry: Entry, query: Query, bench: Bench) -> None:
    answer.add(_facts(entry, bench))
    if not entry.size:
        answer.add("The file is empty: it has no rows and no columns.")
        return
    with open_or_say(entry, bench) as file:
        try:
            form = look(file)
        except NotCsv:
            raise not_a_csv(entry, bench) from None
        write(answer, profile(file, form, bench, entry.size), form, style(query, Style.TABLE))


def _pdf(answer: Answer, entry: Entry, bench: Bench, use: Callable[[tuple[str, ...]], None]) -> None:
    with open_or_say(entry, bench) as file:
        try:
            found = pdf.read(file, page_limit=_PDF_PAGES)
        except pdf.PdfUnreadable as unreadable:
            raise CannotDo(
                NotDoneReason.INPUT_UNREADABLE, f"{_facts(entry, bench)}\n\nThis PDF {unreadable}."
            ) from None
    answer.add(_facts(entry, bench, f", {plural(found.pages, 'page')}"))
    if not any(page.strip() for page in found.texts):
        answer.add("This PDF has no text that can be read: it is probably scanned, so there is nothing to summarise.")
        return
    use(found.texts)
    if found.pages > len(found.texts):
        answer.add(
            f"Only the first {number(len(found.texts))} of {number(found.pages)} pages were read. "
            "Say \u201cextract the text of it\u201d for all of them, as a file."
        )
    if found.failed:
        answer.add(f"{plural(found.failed, 'page')} could not be read.")


def _office(answer: Answer, entry: Entry, bench: Bench, use: Callable[[str], None]) -> None:
    try:
        with open_or_say(entry, bench) as file:
            found = list(islice(office.pieces(file, matching.extension(entry.name)), _LINES + 1))
    except office.OfficeUnreadable as unreadable:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE, f"{_facts(entry, bench)}\n\nThis document {unreadable}."
        ) from None
    answer.add(_facts(entry, bench))
    use("\n".join(found[:_LINES]))
    if len(found) > _LINES:
        answer.add(
            f"Only the first {number(_LINES)} paragraphs or rows were read. "
            "Say \u201cextract the text of it\u201d for all of them, as a file."
        )


def _text(answer: Answer, entry: Entry, bench: Bench) -> None:
    answer.add(_facts(entry, bench))
    try:
        with open_or_say(entry, bench) as file:
            lines = list(islice(text.lines(file, bench, entry), _LINES + 1))
    except text.NotText:
        answer.add("This is not a text file, a PDF or a CSV, so there is nothing here that can summarise it.")
        return
    summary(answer, "\n".join(lines[:_LINES]))
    if len(lines) > _LINES:
        answer.add(f"Only the first {number(_LINES)} lines were read.")


def summary(answer: Answer, whole: str) -> None:
    """Write the most telling sentences, or the beginning of a text that has none."""
    found = textrank.sentences(whole)
    if found:
        best = textrank.rank(found, _SENTENCES)
        cut = [sentence if len(sentence) <= 600 else f"{sentence[:600]}…" for sentence in best]
        answer.add("\n\n".join(_quoted(sentence) for sentence in cut))
        if len(found) > len(best):
            answer.add(f"These are the {len(best)} most telling of {number(len(found))} sentences, word for word.")
        return
    lines = [line for line in whole.splitlines() if line.strip()]
    if not lines:
        answer.add("There is no text in it.")
        return
    answer.add("It has no whole sentences; it begins with:")
    answer.fenced("\n".join(line[:500] for line in lines[:15]))


def _quoted(sentence: str) -> str:
    return f"> {cell(sentence, limit=700)}"
