"""A web page for the built-in assistant: "open https://… and summarise it", "screenshot of https://…". In the host's process.

What a page says is quoted and never followed. Called by the driver before the worker; the browser itself is in its sandbox.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dispatch_host.agents.agent import AgentEvent, Artifact, Gate, NotDone, NotDoneReason, Result, Step
from dispatch_host.agents.asking import Ask
from dispatch_host.agents.builtin.commands import impolite
from dispatch_host.agents.builtin.markdown import Answer, cell
from dispatch_host.agents.builtin.tools.summarise import summary
from dispatch_host.browser import pictures
from dispatch_host.browser.chamber import NoBrowser
from dispatch_host.browser.reach import BadAddress, checked, origin
from dispatch_host.browser.session import Browser, CannotOpen
from dispatch_host.permissions.permission import BROWSER

_LONGEST = 5000  # characters


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
    if len(text) > _LONGEST:
        return None
    said = impolite(text)
    for kind, form in _FORMS:
        if (match := form.fullmatch(said)) is not None:
            return WantedPage(kind, match["url"].rstrip(".,;!?"))
    return None


class Visits:
    """What the built-in assistant does with web pages."""

    def __init__(self, browser: Browser, *, pictures: Path) -> None:
        """`pictures` is the folder for pictures of pages."""
        self._browser = browser
        self._pictures = pictures

    async def run(self, page: WantedPage, *, task_id: str, gate: Gate, ask: Ask) -> AsyncGenerator[AgentEvent, None]:
        """Do it. Raises NotPermitted as the gate gave it."""
        try:
            url = checked(page.url)
        except BadAddress as wrong:
            yield Result(f"That can't be opened: {wrong}.")
            return
        await gate.use(BROWSER, origin(url))
        yield Step(f"Opening {origin(url)}")
        try:
            async with self._browser.session(gate=gate, ask=ask) as session:
                opened = await session.page("open", url=url)
                notes = opened.notes
                if page.kind is Kind.PICTURE:
                    _, descriptor = await session.file("screenshot")
                    yield Artifact(await asyncio.to_thread(pictures.keep, self._pictures, descriptor, task_id=task_id))
                    yield Result(f"A picture of {_called(opened.title, opened.url)} is on its way to your phone.")
                    return
                opened = await session.page("text")
        except NoBrowser as missing:
            text = f"Pages can't be opened on this computer. {missing.why} {missing.advice}".strip()
            yield NotDone(NotDoneReason.SANDBOX_UNAVAILABLE, text)
            return
        except CannotOpen as failure:
            yield Result(f"{origin(url)}: {cell(str(failure), limit=1000)}")
            return
        except (pictures.TooLarge, OSError):
            yield NotDone(NotDoneReason.AGENT_FAILED, "The picture could not be kept.")
            return
        answer = Answer()
        answer.add(_called(opened.title, opened.url))
        await asyncio.to_thread(summary, answer, opened.text)
        for note in notes:
            answer.add(cell(note, limit=600))
        yield Result(answer.text())


def _called(title: str, url: str) -> str:
    """Name a page for a person: its own words, and the site that they are from."""
    return f"**{cell(title)}** ({origin(url)})" if title.strip() else f"the page at {origin(url)}"
