"""Turns what `saying` says into what a window shows. Nothing of it is ever read as markup."""

from __future__ import annotations

from collections.abc import Iterable

from dispatch.plain import plain_markdown
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from mobile_sim.saying import How, Said


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


def _one(said: Said) -> RenderableType:
    if said.how is How.MARKDOWN:
        return Padding(markdown(said.text), (0, 0, 0, len(said.indent)))
    return text_of(said)
