"""Writes answers as Markdown: names and cells that can't break out of their place, tables or lists, never too long.

Pure. Called by the tools; knows no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dispatch_host.agents.builtin.query import Style
from dispatch_host.scope import shown

LIMIT_BYTES = 48 * 1024  # of a whole answer, as UTF-8: a thread row must stay small
_CELL = 200  # characters of one cell
_AFTERWORD = 2048  # kept free after a table: for how many rows did not fit, and the remarks
_ROOM = 1024  # kept free for the remark that something was cut


def size(count: int) -> str:
    """Write a number of bytes for a person: 1.2 GB is 1.2 × 1000³ bytes."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value:.1f} EB"


def number(count: int) -> str:
    """Write a count with separators."""
    return f"{count:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def moment(when: datetime) -> str:
    """Write a local time."""
    return when.strftime("%Y-%m-%d %H:%M")


def code(text: str) -> str:
    """Write a name so that it reads exactly as it is, whatever characters it has, also in a table."""
    text = shown(text)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def cell(text: str, *, limit: int = _CELL) -> str:
    """Write data as plain text in one table cell: nothing in it is markup, long data is cut with an ellipsis."""
    if len(text) > limit:
        text = f"{text[: limit - 1]}…"
    text = re.sub(r"\r\n|\r|\n", " ⏎ ", text)
    text = shown(text.strip(" "))
    text = re.sub(r"([\\`*|<\[\]~])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    return re.sub(r"&(?=#?\w+;)", r"\\&", text)


@dataclass(slots=True)
class Table:
    """Rows under headings, shown as a table or as a list. Cells are Markdown already; the first names the row."""

    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    right: frozenset[int] = frozenset()  # columns of numbers

    def lines(self, style: Style) -> tuple[list[str], list[str]]:
        """Give the heading lines and one line per row."""
        if style is Style.LIST:
            return [], [self._item(index, row) for index, row in enumerate(self.rows, start=1)]
        rule = ["---:" if index in self.right else "---" for index in range(len(self.headings))]
        return [_line(self.headings), _line(rule)], [_line(row) for row in self.rows]

    def _item(self, index: int, row: Sequence[str]) -> str:
        name, *rest = row
        said = ", ".join(
            f"{heading.lower()} {value}" if heading else value
            for heading, value in zip(self.headings[1:], rest, strict=False)
            if value
        )
        return f"{index}. {name}{' — ' if said else ''}{said}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


class Answer:
    """An answer as it grows, held below the limit. What does not fit is counted and said."""

    def __init__(self, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._blocks: list[str] = []
        self._room = limit_bytes - _ROOM
        self._cut = False

    def add(self, paragraph: str) -> None:
        """Add a paragraph."""
        cost = len(paragraph.encode()) + 2
        if cost > self._room:
            kept = paragraph.encode()[: max(self._room - 8, 0)].decode(errors="ignore")
            paragraph, self._cut = f"{kept}…", True
            cost = len(paragraph.encode()) + 2
        if paragraph.strip("…"):
            self._blocks.append(paragraph)
            self._room -= cost

    def table(self, table: Table, style: Style) -> int:
        """Add a table as far as there is room; return how many rows were shown."""
        head, body = table.lines(style)
        kept = list(head)
        room = self._room - sum(len(line.encode()) + 1 for line in head) - _AFTERWORD
        rows = 0
        for line in body:
            cost = len(line.encode()) + 1
            if cost > room:
                break
            room -= cost
            kept.append(line)
            rows += 1
        self._blocks.append("\n".join(kept))
        self._room = room + _AFTERWORD
        if rows < len(body):
            self.add(f"… {number(len(body) - rows)} more rows did not fit into this answer.")
        return rows

    def fenced(self, text: str) -> None:
        """Add text as it is, in a code block."""
        fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
        lines = [shown(line) if not line.isprintable() else line for line in text.replace("\t", "    ").splitlines()]
        room = self._room - 2 * len(fence) - 8
        kept: list[str] = []
        for line in lines:
            cost = len(line.encode()) + 1
            if cost > room:
                self._cut = True
                break
            room -= cost
            kept.append(line)
        self._blocks.append("\n".join((fence, *kept, fence)))
        self._room = room

    def text(self) -> str:
        """Give the whole answer."""
        blocks = [*self._blocks, "The answer was longer than fits; the rest was cut."] if self._cut else self._blocks
        return "\n\n".join(blocks)
