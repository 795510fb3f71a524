"""How a page is read: Playwright's accessibility snapshot in parts, and tables as Markdown. In the sandbox; called by pages.py."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dispatch_host.browser import wire

_NOISE = re.compile(r" \[(?:cursor=pointer|active)\]")
_REF = re.compile(r"\[ref=((?:f\d{1,4})?e\d{1,7})\]")
_URL = re.compile(r" *- /url: (.+)")
TABLE = """element => {
  const table = element.closest('table') || element.querySelector('table');
  if (!table) return null;
  return Array.from(table.rows).slice(0, 500).map(
    row => Array.from(row.cells).slice(0, 50).map(cell => (cell.innerText || '').trim().slice(0, 500)));
}"""
"""Gives the cells of the table that an element lies in, or holds."""


@dataclass(slots=True)
class Opened:
    """A page, read."""

    url: str = "about:blank"
    title: str = ""
    text: str = ""
    part: int = 1
    parts: int = 1
    notes: list[str] = field(default_factory=list)


def in_parts(snapshot: str) -> list[str]:
    """Cut a page into parts, between lines where that can be."""
    parts: list[str] = []
    current = ""
    for line in _NOISE.sub("", snapshot).splitlines(keepends=True):
        while len(line) > wire.PART_CHARACTERS:
            parts.append(current)
            current, line = line[: wire.PART_CHARACTERS], line[wire.PART_CHARACTERS :]  # noqa: PLW2901 -- what is left of it
        if len(current) + len(line) > wire.PART_CHARACTERS:
            parts.append(current)
            current = ""
        current += line
    return [part for part in [*parts, current] if part] or [""]


def links(snapshot: str) -> dict[str, str]:
    """Give where links lead, as it is written in the page, by the refs of the links and of all that lies in them."""
    found: dict[str, str] = {}
    depth, above, href = 0, "", ""  # of the link that lines lie in; `above` is the ref of the line before
    for line in snapshot.splitlines():
        deep = len(line) - len(line.lstrip(" "))
        if (written := _URL.fullmatch(line)) is not None:
            depth, href = deep, _unquoted(written[1])
            found |= {above: href} if above and href else {}
            continue
        if deep < depth:
            depth, href = 0, ""
        above = ref[1] if (ref := _REF.search(line)) is not None else ""
        if href and above:
            found[above] = href
    return found


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Write a table's cells as Markdown, no longer than a part. Its first row is the head."""
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows if row
    ]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)[: wire.PART_CHARACTERS]


def _unquoted(value: str) -> str:
    """Read a value of YAML as Playwright writes it; empty for what no address has."""
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return ""
