"""Show the demo to a person: chapters, what processes do, and the thread with the signs of the phone's own screen.

As there, what an agent says is further in than any `?`, `»`, `✓` or `✗`, which are the computer's and the phone's.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from dispatch.device import question_words

BOLD, DIM, RED, GREEN, BLUE = 1, 2, 31, 32, 34

# What a phone shows of a task's way, in its own words.
STAGES = {
    "sent": "sent",
    "handed_over": "your computer has it",
    "accepted": "accepted",
    "waiting": "waits for its turn",
    "started": "working",
    "out_of_contact": "out of contact",
    "back": "back in contact",
    "unconfirmed": "not confirmed yet",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where the demo speaks; in colour only to a terminal."""

    out: TextIO
    colour: bool

    def say(self, text: str, *styles: int) -> None:
        """Print a line."""
        print(self.styled(text, *styles), file=self.out, flush=True)

    def styled(self, text: str, *styles: int) -> str:
        """Colour a text if this screen has colour."""
        return "".join(f"\033[{style}m" for style in styles) + f"{text}\033[0m" if self.colour and styles else text

    def chapter(self, title: str) -> None:
        """Begin a part of the demo."""
        self.say(f"\n{title}", BOLD)

    def fact(self, text: str) -> None:
        """Say something that happened outside the thread."""
        self.say(f"  {text}")

    def asked(self, text: str) -> None:
        """Show what the person typed."""
        self.say("")
        self.say(f"  → {text}", BOLD, BLUE)

    def event(self, event: dict[str, Any]) -> None:
        """Show an event of a task, as it comes."""
        name = event["event"]
        if name in STAGES:
            self.say(f"        · {STAGES[name]}", DIM)
        elif name == "step":
            self.say(f"        · {': '.join(filter(None, (event['title'], event.get('detail'))))}", DIM)
        elif name == "asking":
            self.say(f"      ? {question_words.asked(event['text'], is_approval='digest' in event)}", BOLD)
            self.say(textwrap.indent(readable(event["detail"]), "        "))
        elif name == "answered":
            self.say(f"      » answered: {event['text']}, by {event['by']}", DIM)

    def outcome(self, event: dict[str, Any], *, seconds: float) -> None:
        """Show how a task ended, with its answer or with the reason why there is none."""
        done = event["event"] == "done"
        words = event["event"].replace("_", " ") + (f": {event['reason']}" if event.get("reason") else "")
        said_by = "relay" if event["event"] == "refused" else "host"
        self.say(f"  {'✓' if done else '✗'} {words} (the {said_by}, {seconds:.1f} s)", BOLD, GREEN if done else RED)
        for text in (event.get("text", ""), event.get("advice", "") if not done else ""):
            if text:
                self.say(textwrap.indent(readable(text), "        "))


def readable(markdown: str) -> str:
    """Line up the columns of tables, and take out what would steer a terminal."""
    lines = "".join(sign if sign == "\n" or sign.isprintable() else "�" for sign in markdown.rstrip()).split("\n")
    rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] if line.startswith("|") else None for line in lines]
    shown = []
    for is_table, group in itertools.groupby(zip(lines, rows, strict=True), key=lambda pair: pair[1] is not None):
        pairs = list(group)
        shown += _lined_up([row for _, row in pairs if row]) if is_table else [line for line, _ in pairs]
    return "\n".join(shown)


def _lined_up(rows: Sequence[Sequence[str]]) -> list[str]:
    columns = max(map(len, rows))
    cells = [[cell.strip() for cell in row] + [""] * (columns - len(row)) for row in rows]
    right = [cell.endswith(":") for cell in cells.pop(1)] if len(cells) > 1 else [False] * columns
    widths = [max(len(row[column]) for row in cells) for column in range(columns)]

    def line(row: Sequence[str]) -> str:
        shown = zip(row, widths, right, strict=True)
        return "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in shown
        ).rstrip()

    return [line(cells[0]), "  ".join("─" * width for width in widths), *map(line, cells[1:])]
