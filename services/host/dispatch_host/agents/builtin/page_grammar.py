"""From what a person wrote to a web page to open, if that is what they ask for. Pure; a phrasing more is a line more in a table.

Runs in the worker: patterns over whatever a phone wrote have no place in the host's process. Called by errand.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from dispatch_host.agents.builtin.commands import impolite

LONGEST = 5000  # characters


class Kind(StrEnum):
    """What is asked for."""

    SUMMARY = "summary"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class WantedPage:
    """A request for a page."""

    kind: Kind
    url: str = field(repr=False)


# With its scheme or beginning with www., so that no name of a file is taken for a site.
_URL = r"(?:the\s+)?(?:(?:web\s*)?(?:page|site)\s+)?(?:at\s+)?[<\"'“‘`]?(?P<url>(?:https?://|www\.)[^\s<>\"'“”‘’`]+)[>\"'”’`]?"
_IT = r"(?:it|that|the\s+(?:web\s*)?(?:page|site)|this)"
_SUM_UP = r"(?:summari[sz]e|sum\s+up|give\s+me\s+a\s+summary\s+of)"
_OPEN = r"(?:open|visit|go\s+to|load|read|look\s+at|fetch|browse(?:\s+to)?)"
_SHOT = (
    r"(?:take|make|get|send(?:\s+me)?|give\s+me|show(?:\s+me)?)?\s*(?:me\s+)?(?:a\s+)?(?:screen\s*shot|picture|image)"
)
_AND = r"\s*(?:,|and|then|,?\s*and\s+then)\s+"
_FORMS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Kind.PICTURE, rf"{_SHOT}\s+(?:of|from)\s+{_URL}"),
        (Kind.PICTURE, rf"screen\s*shot\s+{_URL}"),
        (Kind.PICTURE, rf"{_OPEN}\s+{_URL}{_AND}{_SHOT}(?:\s+of\s+{_IT})?"),
        (Kind.SUMMARY, rf"{_OPEN}\s+{_URL}{_AND}(?:{_SUM_UP}\s+{_IT}|tell\s+me\s+what\s+(?:it|that)\s+says)"),
        (Kind.SUMMARY, rf"{_SUM_UP}\s+{_URL}"),
        (Kind.SUMMARY, rf"{_OPEN}\s+{_URL}"),
        (Kind.SUMMARY, rf"what\s+(?:does|is\s+(?:on|at))\s+{_URL}(?:\s+(?:say|about))?"),
        (Kind.SUMMARY, rf"what(?:'s|’s|\s+is)\s+(?:on|at)\s+{_URL}"),
    )
)


def understand(text: str) -> WantedPage | None:
    """Tell which page a person asks for; None when they ask for none of these forms."""
    if len(text) > LONGEST:
        return None
    said = impolite(text)
    for kind, form in _FORMS:
        if (match := form.fullmatch(said)) is not None:
            return WantedPage(kind, match["url"].rstrip(".,;!?"))
    return None
