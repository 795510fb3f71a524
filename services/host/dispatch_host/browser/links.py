"""Where the links of a page led before the agent did anything on it: what is followed without a question. In the sandbox.

A page may lead its links elsewhere as soon as something was typed into it, and whatever has an address can be called a link. So
what counts is what stood there when the document was first read: nothing of what the agent did can be in that, whatever the page
says. Called by pages.py. docs/browser.md, "What is asked, what is audited".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Page

from dispatch_host.browser.reading import links

_WHOLE = """hrefs => hrefs.map(href => {
  try { return new URL(href, document.baseURI).href; } catch { return ''; }
})"""


class Links:
    """The links of one session's pages, by the refs of their snapshots."""

    def __init__(self, context: BrowserContext) -> None:
        # Fixed after __init__.
        self._context = context
        # Touched on one loop.
        self._chromium: dict[Page, CDPSession] = {}
        self._known: dict[Page, tuple[str, Mapping[str, str]]] = {}

    async def read(self, page: Page) -> str:
        """Read a page's snapshot, and keep where its links lead if its document was never read or touched before."""
        before = await self._document(page)
        snapshot: str = await page.aria_snapshot(mode="ai")
        if self._is_new(page, before):
            known = await _whole(page, links(snapshot))
            if await self._document(page) == before:  # else these may be another document's
                self._known[page] = before, known
        return snapshot

    async def touch(self, page: Page) -> None:
        """Hear that the agent is about to do something on a page: what was not read of it by now never counts."""
        document = await self._document(page)
        if self._is_new(page, document):
            self._known[page] = document, {}

    def address(self, page: Page, ref: str) -> str:
        """Give where the link led that an element is, or lies in; empty for none."""
        return self._known.get(page, ("", {}))[1].get(ref, "")

    def closed(self, page: Page) -> None:
        """Forget a page."""
        self._chromium.pop(page, None)
        self._known.pop(page, None)

    def _is_new(self, page: Page, document: str) -> bool:
        return page not in self._known or self._known[page][0] != document

    async def _document(self, page: Page) -> str:
        """Name the document that a page has. Chromium says it: a page can write itself anew and look as if it were another."""
        if page not in self._chromium:
            self._chromium[page] = await self._context.new_cdp_session(page)
        tree = await self._chromium[page].send("Page.getFrameTree")
        return str(tree["frameTree"]["frame"]["loaderId"])


async def _whole(page: Page, found: Mapping[str, str]) -> Mapping[str, str]:
    """Write addresses as they are asked for."""
    whole: Any = await page.evaluate(_WHOLE, list(found.values())) if found else []
    return dict(zip(found, map(str, whole), strict=False)) if isinstance(whole, list) else {}
