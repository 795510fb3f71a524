"""From what a person wrote to a wish for the desktop, if that is what it is. Pure; a phrasing more is a line more in a table.

Runs in the worker: patterns over whatever a phone wrote have no place in the host's process. Called by errand.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from dispatch_host.agents.builtin.commands import impolite


class Kind(StrEnum):
    """What is asked for."""

    WINDOWS = "windows"
    FOCUS = "focus"
    DOCUMENT = "document"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class WantedOfDesktop:
    """A request for the desktop."""

    kind: Kind
    name: str = field(default="", repr=False)


LONGEST = 500  # characters

_APPS = r"(?:apps?|applications?|programs?|windows?)"
_THE = r"(?:(?:the|my)\s+)?"
_NAME = r"[\"'“‘`]?(?P<name>[^\"'“”‘’`]+?)[\"'”’`]?"
_FILE = r"[\"'“‘`]?(?P<name>[^\"'“”‘’`?*|<>]+\.[A-Za-z0-9]{1,5})[\"'”’`]?"
_FORMS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            Kind.WINDOWS,
            rf"(?:which|what)\s+{_APPS}\s+(?:are|is|do\s+i\s+have)\s+(?:currently\s+)?(?:open|running)(?:\s+(?:right\s+)?now)?",
        ),
        (Kind.WINDOWS, rf"(?:list|show)\s+(?:me\s+)?(?:all\s+)?{_THE}(?:open|running)\s+{_APPS}"),
        (Kind.WINDOWS, rf"what(?:'s|’s|\s+is)\s+(?:open|running)\s+on\s+{_THE}(?:desktop|screen|computer)"),
        (
            Kind.FOCUS,
            rf"(?:focus|switch\s+to|activate|raise)\s+(?:on\s+)?{_THE}{_NAME}(?:\s+(?:window|app|application))?",
        ),
        (Kind.FOCUS, rf"bring\s+(?:up\s+)?{_THE}{_NAME}(?:\s+window)?\s+to\s+(?:the\s+)?(?:front|foreground)"),
        (
            Kind.DOCUMENT,
            rf"open\s+(?:up\s+)?{_THE}(?:(?:file|document)\s+)?{_FILE}(?:\s+on\s+{_THE}(?:desktop|screen|computer))?",
        ),
        (
            Kind.APPLICATION,
            rf"(?:open|launch|start)\s+(?:up\s+)?{_THE}(?:(?:app|application|program)\s+)?{_NAME}(?:\s+(?:app|application|window))?",
        ),
    )
)


def understand(text: str) -> WantedOfDesktop | None:
    """Tell what of the desktop a person asks for; None when they ask for none of these forms."""
    if len(text) > LONGEST or "://" in text:
        return None
    said = impolite(text)
    for kind, form in _FORMS:
        if (match := form.fullmatch(said)) is not None:
            return WantedOfDesktop(kind, match.groupdict().get("name", ""))
    return None
