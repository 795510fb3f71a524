"""How names, numbers and data are written as Markdown, so that nothing in them is markup. Pure; knows no files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from dispatch_host.scope import exact, shown, visible

_CELL = 200  # characters of one cell


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
    """Write a name so that it reads exactly as it is, whatever characters it has. Not for a table as it is: Table sees to that."""
    text = exact(text)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else r"\`\`"


def fenced(text: str, kind: str = "") -> str:
    """Write lines as they are, in a block; what would not be seen in them stands there as a sign."""
    return block([visible(line) for line in text.split("\n")], kind)


def block(lines: Sequence[str], kind: str = "") -> str:
    """Write lines that can all be seen, in a block that none of them ends."""
    whole = "\n".join(lines)
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", whole)), default=0) + 1)
    return f"{fence}{kind}\n{whole}\n{fence}"


def cell(text: str, *, limit: int = _CELL) -> str:
    """Write data as plain text in one table cell: nothing in it is markup, long data is cut with an ellipsis."""
    if len(text) > limit:
        text = f"{text[: limit - 1]}…"
    text = re.sub(r"\r\n|\r|\n", " ⏎ ", text)
    text = shown(text.strip(" "))
    text = re.sub(r"([\\`*|<\[\]~])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    return re.sub(r"&(?=#?\w+;)", r"\\&", text)
