"""A request, understood: one action and what it applies to. Data only, so that a thread's memory can keep it.

Made by parse.py, changed by followup.py, done by program.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from dispatch_host.agents.asking import JSON


class Action(StrEnum):
    """What the assistant can do. about.py describes each to a person."""

    HELP = "help"
    LARGEST = "largest"
    FIND = "find"
    COUNT = "count"
    HEAD = "head"
    ROWS = "rows"
    SUMMARISE = "summarise"
    READ = "read"
    SEARCH = "search"
    CHANGED = "changed"
    DUPLICATES = "duplicates"
    USAGE = "usage"
    MEASURE = "measure"
    SEND = "send"
    ZIP = "zip"
    UNZIP = "unzip"
    RENAME = "rename"
    SORT = "sort"
    CONVERT = "convert"
    DELETE = "delete"
    MOVE = "move"
    COPY = "copy"
    MAKE_FOLDER = "make folder"
    EDIT = "edit"
    UNDO = "undo"
    # Only a language model asks for these: a person's words for them mean READ and FIND.
    LIST = "list"
    EXCERPT = "excerpt"


CHANGES = frozenset(
    {
        Action.ZIP,
        Action.UNZIP,
        Action.RENAME,
        Action.SORT,
        Action.CONVERT,
        Action.DELETE,
        Action.MOVE,
        Action.COPY,
        Action.MAKE_FOLDER,
        Action.EDIT,
    }
)
"""What makes a plan, and is asked for before it is done."""


class Sort(StrEnum):
    """The order of a list of files."""

    LARGEST = "largest first"
    SMALLEST = "smallest first"
    NEWEST = "newest first"
    OLDEST = "oldest first"
    NAME = "by name"


class Style(StrEnum):
    """How rows are shown."""

    TABLE = "table"
    LIST = "list"


USUAL = {Action.LARGEST: 10, Action.CHANGED: 20, Action.FIND: 50, Action.HEAD: 5, Action.SEARCH: 50}
"""How many are shown where nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to do with which files. Absent means the person did not say."""

    action: Action
    places: tuple[str, ...] = ()  # folders, in the person's words; none is all approved folders
    kind: str | None = None  # a key of vocabulary.KINDS, or ".ext"
    name: str | None = None  # words of the file's name
    file: str | None = None  # a file name or path said exactly
    loose: bool = False  # the name is what was left over: when no file has it, the request was not understood
    paths: tuple[str, ...] = ()  # files chosen from an earlier answer, absolute
    attached: bool = False  # among the attachments of the thread
    phrase: str | None = None  # what to search inside files
    count: int | None = None
    tail: bool = False  # the last rows or lines, not the first
    minimum_bytes: int | None = None
    maximum_bytes: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: Sort | None = None
    style: Style | None = None
    column: str | None = None  # of a CSV, as the person calls it
    measures: tuple[str, ...] = ()  # of that column: mean, sum, minimum, maximum, count
    skip: int = 0  # of a list: those that were shown before
    how: tuple[
        str, ...
    ] = ()  # of a change: how to rename, by what to sort, which words, as change_grammar.py and file_grammar.py have it
    target: str | None = None  # the name of the new file, or the folder where files go
    summarise: int | None = None  # after finding: which of the matches, from 1, -1 is the last

    def to_json(self) -> dict[str, JSON]:
        """Write what was said, for the thread's memory."""
        said: dict[str, JSON] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if isinstance(value, datetime):
                value = value.isoformat()
            elif isinstance(value, tuple):
                value = list(value)
            said[field.name] = value
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, JSON]) -> Query:
        """Read what to_json wrote; raise ValueError, TypeError or KeyError for anything else."""
        values: dict[str, object] = {name: said[name] for name in said.keys() & {field.name for field in fields(cls)}}
        for name in ("since", "until"):
            if name in values:
                values[name] = datetime.fromisoformat(str(values[name]))
        for name, kind in (("action", Action), ("sort", Sort), ("style", Style)):
            if name in values:
                values[name] = kind(str(values[name]))
        for name in ("places", "paths", "measures", "how"):
            if name in values:
                listed = values[name]
                values[name] = tuple(str(item) for item in listed) if isinstance(listed, list) else ()
        return cls(**values)  # type: ignore[arg-type]  # checked by use: the memory is the host's own
