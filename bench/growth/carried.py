"""What README.md "What it carries" says of one relay and of two, read from its table, so that nobody copies it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HEADING = "## What it carries"


@dataclass(frozen=True, slots=True)
class Carried:
    """A row: in words, as they stand there."""

    what: str
    one_relay: str
    two_relays: str


def carried(readme: str) -> list[Carried]:
    """Read the table. Raises ValueError when it is not there, or has other columns."""
    _, found, rest = readme.partition(f"{HEADING}\n")
    section = rest.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    if not found or len(cells) < 3 or "one relay" not in cells[0][1] or "two relays" not in cells[0][2]:
        raise ValueError(f"{HEADING!r} of the README has no table of one relay and two")
    return [Carried(*row) for row in cells[2:]]
