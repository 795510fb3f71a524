"""A web page for the built-in assistant, as page_grammar.py understood it: its summary, or a picture. In the host's process.

What a page says is quoted and never followed. Called by the driver; the browser itself is in its sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from dispatch_host.agents.agent import AgentEvent, Artifact, Gate, NotDone, NotDoneReason, Result, Step
from dispatch_host.agents.asking import Ask
from dispatch_host.agents.builtin.markdown import Answer, cell
from dispatch_host.agents.builtin.page_grammar import Kind, WantedPage
from dispatch_host.agents.builtin.tools.summarise import summary
from dispatch_host.browser import pictures
from dispatch_host.browser.chamber import NoBrowser
from dispatch_host.browser.reach import BadAddress, checked, origin
from dispatch_host.browser.session import Browser, CannotOpen
from dispatch_host.permissions.permission import BROWSER


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
            yield NotDone(missing.reason, text)
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
