"""Which files a request means: by kind, words of the name, size and time; and the one file where one is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.builtin import markdown
from dispatch_host.agents.builtin.bench import Bench, CannotDo, WhichOne
from dispatch_host.agents.builtin.query import Query, Sort
from dispatch_host.agents.builtin.vocabulary import KINDS
from dispatch_host.scope import Entry, Refusal, Refused, Root


def extension(name: str) -> str:
    """Give a name's ending, in lower case with its dot."""
    return os.path.splitext(name)[1].casefold()


def kind_words(kind: str | None, count: int = 2) -> str:
    """Name a kind of file in a sentence."""
    if kind is None:
        return "file" if count == 1 else "files"
    if kind in KINDS:
        return KINDS[kind].singular if count == 1 else KINDS[kind].plural
    return f"{kind} file" if count == 1 else f"{kind} files"


def of_kind(name: str, kind: str | None) -> bool:
    """Tell whether a file is of a kind, by its ending."""
    if kind is None:
        return True
    ending = extension(name)
    return ending in KINDS[kind].extensions if kind in KINDS else ending == kind


def _plain(text: str) -> str:
    """Make names comparable: no case, spaces for `-`, `_`, `.` and for the seams of camelCase."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.sub(r"[\s._\-–+]+", " ", text).casefold().strip()


def named(phrase: str) -> Callable[[str], int]:
    """Rate names against a phrase: 3 the whole phrase, 2 without regard to spaces, 1 all words in any order, 0 no match."""
    wanted = _plain(phrase)
    squeezed = wanted.replace(" ", "")
    stems = [_stem(word) for word in wanted.split()]

    def rate(name: str) -> int:
        plain = _plain(name)
        if wanted in plain:
            return 3
        if squeezed and squeezed in plain.replace(" ", ""):
            return 2
        return 1 if stems and all(stem in plain for stem in stems) else 0

    return rate


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def matches(query: Query, bench: Bench, files: Iterable[Entry]) -> Iterable[Entry]:
    """Give the files that fit everything but the name."""
    since = query.since.timestamp() * 1e9 if query.since else None
    until = query.until.timestamp() * 1e9 if query.until else None
    for entry in files:
        if (
            (query.kind is None or of_kind(entry.name, query.kind))
            and (query.minimum_bytes is None or entry.size >= query.minimum_bytes)
            and (query.maximum_bytes is None or entry.size <= query.maximum_bytes)
            and (since is None or entry.mtime_ns >= since)
            and (until is None or entry.mtime_ns < until)
        ):
            yield entry


def select(query: Query, bench: Bench) -> Iterable[Entry]:
    """Give the files a request means, unordered: those chosen before, else those found by walking."""
    if query.paths:
        return list(matches(query, bench, chosen(query, bench)))
    found = matches(query, bench, bench.files())
    wanted = query.name or (query.file.rpartition("/")[2] if query.file else None)
    if wanted is None:
        return found
    if query.file is not None:
        exact = [entry for entry in found if entry.name.casefold() == wanted.casefold()]
        below = query.file.strip("/").rpartition("/")[0].casefold()
        return [
            e for e in exact if not below or e.path.casefold().endswith(query.file.strip("./~").casefold())
        ] or exact
    rate = named(wanted)
    rated = [(rating, entry) for entry in found if (rating := rate(entry.name))]
    best = max((rating for rating, _ in rated), default=0)
    return [entry for rating, entry in rated if rating == best]


def chosen(query: Query, bench: Bench) -> list[Entry]:
    """Find again the files of an earlier answer; those that are gone or no longer approved are left out."""
    found: list[Entry] = []
    for path in query.paths:
        located = bench.scope.locate(path)
        if located is None:
            continue
        try:
            entry = located[0].stat(located[1])
        except Refused:
            continue
        if not entry.is_dir:
            found.append(entry)
    return found


def ordered(entries: Iterable[Entry], sort: Sort) -> list[Entry]:
    """Order files; equal ones by their path, so that an answer is the same each time."""
    return sorted(entries, key=lambda entry: sort_key(entry, sort))


def sort_key(entry: Entry, sort: Sort) -> tuple[int, str, str, str]:
    """Give by what a file is ordered."""
    value = {
        Sort.LARGEST: -entry.size,
        Sort.SMALLEST: entry.size,
        Sort.NEWEST: -entry.mtime_ns,
        Sort.OLDEST: entry.mtime_ns,
        Sort.NAME: 0,
    }[sort]
    return value, entry.root.label, entry.path.casefold(), entry.path


def one(query: Query, bench: Bench) -> Entry | None:
    """Find the one file a request means, and note it; None when there is none. Raise WhichOne when several fit.

    What has its name and is no file (a link, a pipe) is not "no such file": that ends the task with what it is.
    """
    passed: list[str] = []
    bench.tally.on_passed = _watch(query, passed)
    bench.meant = _one(query, bench)
    bench.tally.on_passed = None
    if bench.meant is None and passed:
        raise CannotDo(NotDoneReason.INPUT_UNREADABLE, passed[0])
    return bench.meant


def _watch(query: Query, passed: list[str]) -> Callable[[Root, str, Refusal], None] | None:
    """Note, of what a walk passes over, what a request may mean: by its name, or as a link on the way to the file."""
    parts = [part for part in (query.file or "").casefold().split("/") if part not in ("", ".", "~")]
    rate = named(query.name) if query.name and not parts else None
    if not parts and rate is None:
        return None
    ways = tuple("/" + "/".join(parts[:length]) for length in range(1, len(parts) + 1))

    def note(root: Root, path: str, why: Refusal) -> None:
        name = path.rpartition("/")[2]
        fits = (
            bool(rate(name)) and of_kind(name, query.kind)
            if rate
            else f"/{root.label}/{path}".casefold().endswith(ways)
        )
        if fits:
            passed.append(f"{markdown.code(f'{root.label}/{path}')} was not read: it is {why}.")

    return note


def _one(query: Query, bench: Bench) -> Entry | None:
    found = list(select(query, bench))
    if query.paths and not found:
        raise CannotDo(
            NotDoneReason.INPUT_UNREADABLE,
            "The file of the earlier answer is not there any more, or its folder is no longer approved.",
        )
    if len(found) <= 1:
        return found[0] if found else None
    if query.sort is not None and query.sort is not Sort.NAME:
        return ordered(found, query.sort)[0]
    raise WhichOne(query, ordered(found, Sort.NAME))


def described(query: Query, count: int = 2) -> str:
    """Describe in words which files were looked for."""
    words = [kind_words(query.kind, count)]
    if query.file:
        return markdown.code(query.file)
    if query.name:
        words.append(f"with {markdown.code(query.name)} in the name")
    if query.minimum_bytes is not None:
        words.append(f"of at least {markdown.size(query.minimum_bytes)}")
    if query.maximum_bytes is not None:
        words.append(f"of at most {markdown.size(query.maximum_bytes)}")
    if query.since is not None and query.until is not None:
        words.append(f"modified from {markdown.moment(query.since)} until {markdown.moment(query.until)}")
    elif query.since is not None:
        words.append(f"modified since {markdown.moment(query.since)}")
    elif query.until is not None:
        words.append(f"last modified before {markdown.moment(query.until)}")
    return " ".join(words)


def missing(query: Query, bench: Bench) -> str:
    """Say that nothing fits."""
    if query.file:
        return f"There is no file {markdown.code(query.file)} in {bench.where()}."
    return f"There are no {described(query)} in {bench.where()}."
