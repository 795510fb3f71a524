"""Turns what `saying` says into what a window shows. Nothing of it is ever read as markup."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import replace

from dispatch.plain import plain_markdown
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from mobile_sim.saying.said import How, Said

_FURTHER_IN = "    "
_NARROWEST = 20


def rendered(said: Iterable[Said]) -> RenderableType:
    """Render lines, one below the other."""
    return Group(*(_one(one) for one in said))


def text_of(said: Said) -> Text:
    """Give a line with its style."""
    text = Text(said.text, style=Style(color=said.fg, bold=said.bold or None, dim=said.dim or None))
    if said.strong:
        text.highlight_words([said.strong], style=Style(bold=True, reverse=True))
    return text


def markdown(text: str) -> RenderableType:
    """Render Markdown of a stranger: no links, no pictures, no control signs."""
    return Markdown(plain_markdown(text), hyperlinks=False, code_theme="ansi_dark")


def folded(words: str) -> RenderableType:
    """Render a line with an agent's words in it: what is too long for it goes on further in."""
    return _Folded(Said(words, folds=True))


class _Folded:
    """Folds a line when it is known how wide it can be."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width, _NARROWEST)
        words = textwrap.fill(self._said.text, width, subsequent_indent=_FURTHER_IN)
        yield text_of(replace(self._said, text=words))


def _one(said: Said) -> RenderableType:
    if said.how is How.MARKDOWN:
        return Padding(markdown(said.text), (0, 0, 0, len(said.indent)))
    return _Folded(said) if said.folds else text_of(said)
