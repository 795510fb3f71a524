"""Reads the Markdown of an answer into what the page draws: elements of a short list, and text. Pure.

A stranger may have written it. Nothing is read as HTML, no picture is fetched, and a link is its words: the page leads nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

Node = str | list[Any]
"""Text, or an element: its name, then what is in it."""

_NAMES = {
    **{
        name: name
        for name in (
            "p",
            "ul",
            "ol",
            "li",
            "blockquote",
            "strong",
            "em",
            "s",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        )
    },
    # The page has its own headings: those of an answer come below them.
    **{f"h{level}": "h4" for level in range(1, 7)},
}
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def formatted(text: str) -> list[Node]:
    """Give what a text is made of, in order."""
    return _nodes(_PARSER.parse(text))


def _nodes(tokens: Sequence[Token]) -> list[Node]:
    """Turn tokens into nodes, by a stack of what is open; what is not on the list gives only what is in it."""
    top: list[Node] = []
    open_ = [top]
    for token in tokens:
        if token.hidden:
            continue
        if token.nesting > 0:
            open_.append([])
        elif token.nesting < 0:
            inside = open_.pop()
            name = _NAMES.get(token.tag)
            open_[-1].extend([[name, *inside]] if name else inside)
        else:
            open_[-1].extend(_leaf(token))
    return top


def _leaf(token: Token) -> list[Node]:
    match token.type:
        case "inline":
            return _nodes(token.children or ())
        case "softbreak":
            return ["\n"]
        case "hardbreak":
            return [["br"]]
        case "hr":
            return [["hr"]]
        case "code_inline":
            return [["code", token.content]]
        case "fence" | "code_block":
            return [["pre", token.content]]
        case _:
            return [token.content]
