"""What is said to people, piece by piece, and how each piece is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dispatch import errors
from dispatch.cli import policy_words, refusal_lines
from dispatch.words import ENGLISH, Words

Event = dict[str, Any]
INDENT = "  "


class How(Enum):
    """How something that was said is shown."""

    LINE = "line"
    PASSING = "passing"
    """Until the next is said."""
    MARKDOWN = "markdown"
    """As it came: whoever renders it makes it plain first."""
    ASKED = "asked"
    """A yes or a no is waited for."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is said, with its style."""

    text: str
    how: How = How.LINE
    fg: str | None = None
    bold: bool = False
    dim: bool = False
    indent: str = ""
    strong: str = ""
    """The part of the text that stands out."""
    terminal_only: bool = False
    folds: bool = False
    """Whether an agent's words are in it: the rest of a line that is too long stands further in, not where a line begins."""


Says = Mapping[str, Callable[[Event, Words], Iterator[Said]]]
"""What is said of events that need no memory, by their names."""


def line(words: str, *, fg: str | None = None, bold: bool = False, dim: bool = False, strong: str = "") -> Said:
    """Say a line."""
    return Said(words, fg=fg, bold=bold, dim=dim, strong=strong)


def markdown(text: str) -> Said:
    """Say what an agent wrote, no line of it at the beginning of one."""
    return Said(text, how=How.MARKDOWN, indent=INDENT)


def refusal_said(error: errors.DispatchError, words: Words = ENGLISH) -> Iterator[Said]:
    """Say no: the sentence with its detail, the operator's policy if there is one, the advice."""
    sentence, *more = refusal_lines(error, words)
    yield line(sentence, fg="red")
    yield from (line(detail) for detail in more)


def policy(event: Event) -> Iterator[Said]:
    """Say the operator's policy by which something is refused, if it is one."""
    if words := policy_words(event):
        yield line(f"  {words}")
