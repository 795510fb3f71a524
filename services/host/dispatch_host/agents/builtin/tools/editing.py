"""Changes words in a small text file, or writes a new one. Makes a plan, whose preview is the difference line by line."""

from __future__ import annotations

import os

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import matching
from dispatch_host.agents.builtin.bench import Bench, CannotDo, Findings, NothingThere
from dispatch_host.agents.builtin.markdown import code, plural, size
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.tools import planning
from dispatch_host.agents.builtin.tools.planning import Planning
from dispatch_host.agents.builtin.tools.rows import open_or_say
from dispatch_host.changes import MOST_TEXT_BYTES, Plan, Rewrite, Write
from dispatch_host.scope import Entry


def edit(query: Query, bench: Bench) -> Findings:
    """Plan other words for the one text file that a request means, or a new file."""
    if query.how[0] == "write":
        return _write(query, bench)
    bench.step("Looking for the file", bench.around())
    entry = matching.one(query, bench)
    if entry is None:
        raise NothingThere(f"{matching.missing(query, bench)} Nothing was changed.")
    Planning(bench).permits(planning.absolute(entry))
    old = _words(entry, bench)
    new, what = _changed(old, query, entry, bench)
    if len(new.encode(errors="surrogateescape")) > MOST_TEXT_BYTES:
        raise _too_long(entry, bench)
    step = Rewrite(planning.absolute(entry), planning.facts(entry), old, new)
    return Findings("", [entry], plan=Plan(f"{what} {planning.quoted(bench.show(entry))}", (step,)))


def _write(query: Query, bench: Bench) -> Findings:
    made = Planning(bench)
    place = bench.places[0]
    wished = place.root.absolute(place.path)
    folder = wished if query.places else made.folder_for(wished)
    path = os.path.join(folder, planning.new_name(query.target or ""))
    made.permits(path)
    if not made.is_free(path):
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE, f"{code(os.path.basename(path))} is there already. Nothing was changed."
        )
    content = query.how[1]
    words = f"{content}\n" if content else ""
    return Findings("", plan=Plan(f"Write {planning.quoted(os.path.basename(path))}", (Write(path, words),)))


def _words(entry: Entry, bench: Bench) -> str:
    """Read all of a text file; end the task for one that is no text, or too long to be shown whole."""
    if entry.size > MOST_TEXT_BYTES:
        raise _too_long(entry, bench)
    with open_or_say(entry, bench) as file:
        content = file.read(MOST_TEXT_BYTES + 1)
    if len(content) > MOST_TEXT_BYTES:
        raise _too_long(entry, bench)
    try:
        words = content.decode()
    except UnicodeDecodeError:
        words = ""
    if (content and not words) or "\0" in words:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            f"{code(bench.show(entry))} is not a text file in UTF-8, so I don't change words in it. Nothing was changed.",
        )
    return words


def _too_long(entry: Entry, bench: Bench) -> CannotDo:
    return CannotDo(
        NotDoneReason.NEEDS_AGENT,
        f"{code(bench.show(entry))} is too long: I change words in text files of at most {size(MOST_TEXT_BYTES)}. "
        "Nothing was changed.",
    )


def _changed(old: str, query: Query, entry: Entry, bench: Bench) -> tuple[str, str]:
    """Give the new words, and what is done in words."""
    end = "\r\n" if "\r\n" in old else "\n"
    match query.how:
        case ("append", said):
            before = old if not old or old.endswith("\n") else f"{old}{end}"
            return f"{before}{said}{end}", "Add a line to"
        case ("prepend", said):
            return f"{said}{end}{old}", "Add a line to"
        case ("replace", said, instead):
            count = old.count(said) if said else 0
            if not count:
                raise NothingThere(f"{code(said)} is not in {code(bench.show(entry))}. Nothing was changed.")
            return old.replace(said, instead), f"Replace {planning.quoted(said)} {plural(count, 'time')} in"
        case ("drop", said):
            lines = old.splitlines(keepends=True)
            kept = [line for line in lines if said.casefold() not in line.casefold()]
            if len(kept) == len(lines):
                raise NothingThere(f"No line of {code(bench.show(entry))} has {code(said)}. Nothing was changed.")
            return "".join(kept), f"Remove {plural(len(lines) - len(kept), 'line')} from"
    raise AssertionError(query.how)
