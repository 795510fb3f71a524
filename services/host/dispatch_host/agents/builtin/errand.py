"""An errand: what the worker understood, and only the host's process can do. Programs, web pages, the desktop. Pure.

Made in the worker, checked by wire.py, carried out by the driver. Every pattern that runs over what a phone wrote runs in the
worker: it can be killed, and while it thinks the host goes on answering.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from dispatch_host.agents.builtin import commands, desk_grammar, page_grammar
from dispatch_host.agents.builtin.commands import Wanted
from dispatch_host.agents.builtin.desk_grammar import WantedOfDesktop
from dispatch_host.agents.builtin.page_grammar import WantedPage

Errand: TypeAlias = Wanted | WantedPage | WantedOfDesktop

_MOST_LINES = 9999  # of an output: what four digits can say


class Part(StrEnum):
    """What the host can carry out. The order is the one in which a request is looked at."""

    PROGRAMS = "programs"
    PAGES = "pages"
    DESKTOP = "desktop"


_UNDERSTAND = {
    Part.PROGRAMS: commands.understand,
    Part.PAGES: page_grammar.understand,
    Part.DESKTOP: desk_grammar.understand,
}


def understand(text: str, parts: Collection[Part]) -> Errand | None:
    """Tell which errand a person asks for; None when it is none of these parts."""
    for part, understands in _UNDERSTAND.items():
        if part in parts and (errand := understands(text)) is not None:
            return errand
    return None


def part_of(errand: Errand) -> Part:
    """Tell who carries it out."""
    match errand:
        case Wanted():
            return Part.PROGRAMS
        case WantedPage():
            return Part.PAGES
        case WantedOfDesktop():
            return Part.DESKTOP


def to_json(errand: Errand) -> dict[str, Any]:
    """Write an errand for the host."""
    said: dict[str, Any] = {"part": part_of(errand), "kind": errand.kind}
    match errand:
        case Wanted(words=words, folder=folder, message=message, lines=lines):
            return {**said, "words": list(words), "folder": folder, "message": message, "lines": lines}
        case WantedPage(url=url):
            return {**said, "url": url}
        case WantedOfDesktop(name=name):
            return {**said, "name": name}


def from_json(said: Mapping[str, Any]) -> Errand:
    """Read what a worker wrote. Raises ValueError, KeyError or TypeError for whatever no request could have meant."""
    given = dict(said)
    part, kind = Part(given.pop("part")), given.pop("kind")
    errand: Errand
    match part:
        case Part.PROGRAMS:
            words = given.pop("words")
            lines = given.pop("lines")
            if not isinstance(words, list) or (lines is not None and not _is_count(lines, _MOST_LINES)):
                raise ValueError
            errand = Wanted(
                kind=commands.Kind(kind),
                words=tuple(_text(word, commands.LONGEST) for word in words),
                folder=_perhaps(given.pop("folder"), commands.LONGEST),
                message=_perhaps(given.pop("message"), commands.LONGEST),
                lines=lines,
            )
            # Of one request, whose words are no longer taken apart; a shell is at most put before them.
            if sum(map(len, words)) > commands.LONGEST or _runs(errand) is not bool(words):
                raise ValueError
        case Part.PAGES:
            errand = WantedPage(page_grammar.Kind(kind), _text(given.pop("url"), page_grammar.LONGEST))
        case Part.DESKTOP:
            errand = WantedOfDesktop(desk_grammar.Kind(kind), _text(given.pop("name"), desk_grammar.LONGEST))
    if given:
        raise ValueError
    return errand


def _runs(errand: Wanted) -> bool:
    return errand.kind in (commands.Kind.COMMAND, commands.Kind.SCRIPT)


def _text(said: object, most: int) -> str:
    if not isinstance(said, str) or "\0" in said or len(said) > most:
        raise ValueError
    said.encode()  # lone surrogates could be neither shown nor sent on: UnicodeEncodeError is a ValueError
    return said


def _perhaps(said: object, most: int) -> str | None:
    return None if said is None else _text(said, most)


def _is_count(said: object, most: int) -> bool:
    return isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= most
