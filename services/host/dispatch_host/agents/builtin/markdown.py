"""Writes answers as Markdown, tables or lists, never too long; with the words of `dispatch_host.markdown`.

Pure. Called by the tools; knows no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dispatch_host.agents.builtin.query import Style
from dispatch_host.markdown import cell, code, moment, number, plural, size
from dispatch_host.scope import shown

__all__ = ["LIMIT_BYTES", "Answer", "Table", "cell", "code", "moment", "number", "plural", "size"]

_BAR = re.compile(r"(?<!\\)\|")  # ends a cell, also in a name

LIMIT_BYTES = 48 * 1024  # of a whole answer, as UTF-8: a thread row must stay small
_AFTERWORD = 2048  # kept free after a table: for how many rows did not fit, and the remarks
_ROOM = 1024  # kept free for the remark that something was cut


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
    inside = " | ".join(_BAR.sub(r"\|", one) for one in cells)
    return f"| {inside} |"


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
        """Add text as it is, in a code block: for reading. What is asked for is written by `markdown.fenced`."""
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
