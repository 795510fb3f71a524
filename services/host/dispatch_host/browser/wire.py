"""What host and worker say to each other: one JSON object per line. The host believes nothing that it has not checked here. Pure.

    host    {"call": 7, "do": "open", …}            {"answer": 3, "yes": true}
    worker  {"visits": URL}    {"sends": {…}}        {"reply": 7, "page": {…}} or {"reply": 7, "failed": WHY}

Files go beside it, as open descriptors, in the order of the replies that announce them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dispatch.plain import is_unseen

LINE_BYTES = 1024 * 1024  # JSON may need twelve bytes for one character
PART_CHARACTERS = 16 * 1024  # of a page that is read at once
TEXT_CHARACTERS = 48 * 1024  # of a page's plain text, for summaries
SENT_BYTES = 16 * 1024  # of one request that a person is asked about: all of it is shown
MOST_NOTES = 20
_SHORT = 4096


class OutOfBounds(Exception):
    """The worker said something that is not of this protocol."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as an agent reads it. All of it is the page's own words."""

    url: str = field(repr=False)
    title: str = field(repr=False)
    text: str = field(repr=False)
    part: int = 1
    parts: int = 1
    notes: tuple[str, ...] = field(default=(), repr=False)  # what happened on the way: dialogs, pages, what was dropped


@dataclass(frozen=True, slots=True)
class File:
    """A file whose descriptor comes beside. `name` is what the site calls it."""

    name: str = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be done. `why` is one of the worker's own sentences, or an error's name."""

    why: str = field(repr=False)
    over: bool = False  # the session is, too


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one call."""

    call: int
    said: Page | File | Failed


@dataclass(frozen=True, slots=True)
class Visits:
    """The page goes to an address, or was sent there."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sends:
    """The page wants to send this, and waits for the answer of this number."""

    number: int
    method: str
    url: str = field(repr=False)
    body: str = field(repr=False)
    kind: str  # the Content-Type
    page: str = field(repr=False)  # whose doing it is: an address or an origin


FromWorker: TypeAlias = Reply | Visits | Sends


def line(said: Mapping[str, Any]) -> bytes:
    """Write one line."""
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"


def heard(data: bytes) -> FromWorker:
    """Read a line of the worker; raise OutOfBounds for anything it should not write."""
    try:
        said = json.loads(data)
        if "visits" in said:
            return Visits(_text(said["visits"], _SHORT * 4))
        if "sends" in said:
            sends = said["sends"]
            return Sends(
                number=_count(sends["number"]),
                method=_text(sends["method"], 16),
                url=_exact(sends["url"], SENT_BYTES),
                body=_exact(sends["body"], SENT_BYTES),
                kind=_text(sends["kind"], 256),
                page=_text(sends["page"], _SHORT * 4),
            )
        call = _count(said["reply"])
        if "page" in said:
            return Reply(call, _page(said["page"]))
        if "file" in said:
            return Reply(call, File(_text(said["file"]["name"], 1024), _text(said["file"]["url"], _SHORT * 4)))
        return Reply(call, Failed(_text(said["failed"], _SHORT), said.get("over") is True))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise OutOfBounds from error


def _page(said: Mapping[str, Any]) -> Page:
    notes = said["notes"]
    if not isinstance(notes, list) or len(notes) > MOST_NOTES:
        raise OutOfBounds
    return Page(
        url=_text(said["url"], _SHORT * 4),
        title=_text(said["title"], _SHORT),
        text=_text(said["text"], TEXT_CHARACTERS),
        part=_count(said["part"]),
        parts=_count(said["parts"]),
        notes=tuple(_text(note, _SHORT) for note in notes),
    )


def _text(text: Any, most: int) -> str:
    """Take text of a length; lone surrogates and control characters could not be shown."""
    if not isinstance(text, str) or len(text) > most:
        raise OutOfBounds
    text = text.encode(errors="replace").decode()
    return "".join(char if char in "\n\t" or char.isprintable() else " " for char in text)


def _exact(text: Any, most: int) -> str:
    """Take what a person will be shown and what will be sent: no character of it may have to be replaced for that."""
    if not isinstance(text, str) or not can_be_shown(text) or len(text) > most:
        raise OutOfBounds
    return text


def can_be_shown(text: str) -> bool:
    """Tell whether a person can see the whole of a text."""
    return all(char in "\n\r\t" or (char.isprintable() and not is_unseen(char)) for char in text)


def _count(count: Any) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 2**31:
        raise OutOfBounds
    return count
