"""The tools that look at files, as data: what each is called, what it takes, and which query it is. Pure.

A query is what the built-in assistant makes of a person's words; here a model says it outright.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import TypeAlias

from dispatch_host.agents.asking import JSON
from dispatch_host.agents.builtin.query import Action, Query, Sort
from dispatch_host.agents.builtin.vocabulary import KINDS
from dispatch_host.agents.given import Given, choice, count, listed, schema, words, yes
from dispatch_host.agents.toolbox import ToolFailed

Meant: TypeAlias = Callable[[str], str]
"""Makes the path that is meant of what a model calls a file or a folder."""


@dataclass(frozen=True, slots=True)
class FileTool:
    """A tool that looks at files, or changes them."""

    name: str
    about: str
    takes: JSON
    query: Callable[[Given, Meant, tzinfo | None], Query]


_FOLDER = words(
    "A folder: its path, or an approved folder's name and what lies in it. All approved folders if left out."
)
_FILE = words("A file: its path, an approved folder's name and what lies in it, attached:NAME, or a name to look for.")
_KIND = words(f"What the file is: {', '.join(KINDS)}, or an ending as .log.")
_MEASURES = ("mean", "sum", "minimum", "maximum", "count")
_SORTS = {
    "name": Sort.NAME,
    "largest": Sort.LARGEST,
    "smallest": Sort.SMALLEST,
    "newest": Sort.NEWEST,
    "oldest": Sort.OLDEST,
}
_WHICH: dict[str, JSON] = {
    "folder": _FOLDER,
    "name": words("Words of the file's name."),
    "kind": _KIND,
    "at_least_bytes": count("Not smaller than this."),
    "at_most_bytes": count("Not larger than this."),
    "changed_since": words("Last modified then or later: 2026-11-21 or 2026-11-21T09:30."),
    "changed_before": words("Last modified before then."),
}


def places(given: Given, path: Meant) -> tuple[str, ...]:
    """Take the folder, where one is said."""
    said = given.text("folder")
    return () if said is None else (path(said),)


def file(given: Given, path: Meant) -> str:
    """Take the file."""
    return path(given.needed("file"))


def kind(given: Given) -> str | None:
    """Take a kind of file."""
    said = given.text("kind", most=32)
    if said is None or said in KINDS or said.startswith("."):
        return said
    raise ToolFailed(f"kind is one of {', '.join(KINDS)}, or an ending as .log.")


def _list(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(
        action=Action.LIST,
        places=(path(given.needed("folder")),),
        skip=given.whole("skip") or 0,
        count=given.whole("count", least=1),
    )


def _find(given: Given, path: Meant, zone: tzinfo | None) -> Query:
    sort = given.one_of("sort", tuple(_SORTS))
    return Query(
        action=Action.FIND,
        places=places(given, path),
        name=given.text("name", most=255),
        kind=kind(given),
        minimum_bytes=given.whole("at_least_bytes"),
        maximum_bytes=given.whole("at_most_bytes"),
        since=given.moment("changed_since", zone),
        until=given.moment("changed_before", zone),
        sort=_SORTS[sort] if sort else None,
        skip=given.whole("skip") or 0,
        count=given.whole("count", least=1, most=200),
    )


def _read(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(
        action=Action.EXCERPT,
        file=file(given, path),
        skip=given.whole("skip") or 0,
        count=given.whole("count", least=1, most=4000),
    )


def _search(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    said = given.text("file")
    return Query(
        action=Action.SEARCH,
        phrase=given.needed("phrase", most=400),
        places=places(given, path),
        file=None if said is None else path(said),
        kind=kind(given),
        count=given.whole("count", least=1, most=200),
    )


def _describe(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.SUMMARISE, file=file(given, path))


def _rows(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(
        action=Action.HEAD,
        file=file(given, path),
        count=given.whole("count", least=1, most=200) or 20,
        skip=given.whole("skip") or 0,
        tail=given.flag("last"),
    )


def _column(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    said = given.texts("measures", most=len(_MEASURES))
    if not set(said) <= set(_MEASURES):
        raise ToolFailed(f"measures are of: {', '.join(_MEASURES)}.")
    return Query(
        action=Action.MEASURE,
        file=file(given, path),
        column=given.needed("column", most=255),
        measures=tuple(said) or _MEASURES,
    )


def _usage(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.USAGE, places=places(given, path))


def _duplicates(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.DUPLICATES, places=places(given, path))


def _send(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.SEND, file=file(given, path))


LOOKING = (
    FileTool(
        "list_folder",
        "List what is directly in a folder: subfolders and files, with sizes and times.",
        schema(["folder"], folder=_FOLDER, skip=count("How many to leave out."), count=count("How many to list.")),
        _list,
    ),
    FileTool(
        "find_files",
        "Find files by name, kind, size and time, in a folder and all below it; also the largest or the newest.",
        schema(
            (),
            **_WHICH,
            sort=choice("In which order.", *_SORTS),
            skip=count("How many to leave out."),
            count=count("How many to list, at most 200."),
        ),
        _find,
    ),
    FileTool(
        "read_file",
        "Read the text of a file, a part at a time: lines of a text, pages of a PDF, paragraphs or rows of an office document.",
        schema(
            ["file"],
            file=_FILE,
            skip=count("How many lines, pages or paragraphs to leave out: where the last part ended."),
            count=count("How many to read."),
        ),
        _read,
    ),
    FileTool(
        "search_in_files",
        "Find where words stand inside files: texts, PDFs and office documents. No pattern, and no case.",
        schema(
            ["phrase"],
            phrase=words("The words."),
            folder=_FOLDER,
            file=_FILE,
            kind=_KIND,
            count=count("How many places to show, at most 200."),
        ),
        _search,
    ),
    FileTool(
        "describe_file",
        "Describe one file: a CSV by the exact statistics of its columns, a PDF or a text by its most telling sentences.",
        schema(["file"], file=_FILE),
        _describe,
    ),
    FileTool(
        "read_rows",
        "Read rows of a CSV as a table, the first or the last ones.",
        schema(
            ["file"],
            file=_FILE,
            count=count("How many, at most 200."),
            skip=count("How many to leave out."),
            last=yes("The last rows, not the first."),
        ),
        _rows,
    ),
    FileTool(
        "measure_column",
        "Measure a column of a CSV exactly.",
        schema(
            ["file", "column"],
            file=_FILE,
            column=words("Its name."),
            measures=listed(f"Of {', '.join(_MEASURES)}; all if left out."),
        ),
        _column,
    ),
    FileTool("disk_usage", "Add up what the folders in a folder hold.", schema(folder=_FOLDER), _usage),
    FileTool("find_duplicates", "Find files of the same contents.", schema(folder=_FOLDER), _duplicates),
    FileTool(
        "send_file",
        "Send a file to the person's phone. Whatever is not sent stays on this computer, and they can't see it.",
        schema(["file"], file=_FILE),
        _send,
    ),
)
