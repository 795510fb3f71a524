"""The last look at what leaves Chromium: what sends something goes only when it was let go, and only to the site it was let go to.

Playwright's routes (traffic.py) see what pages and their own workers ask for, and not what shared workers do, nor where a redirect
takes a body. This looks at the whole browser, behind those routes: nothing gets by it, whatever asked for it. In the sandbox;
called by traffic.py. docs/browser.md, "What is asked, what is audited".
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from playwright.async_api import Browser, CDPSession, Error

from dispatch_host.browser.reach import origin

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods by which nothing is sent but an address."""
_Kind: TypeAlias = "tuple[str, str, bytes | None]"
_MOST_REMEMBERED = 1024  # that were sent and could still be led elsewhere; of older ones no body goes on


class Guard:
    """Looks at the requests of one browser."""

    def __init__(self, *, note: Callable[[str], None]) -> None:
        """`note` tells the agent."""
        # Fixed after __init__.
        self._note = note
        # Touched on one loop.
        self._let_go: Counter[_Kind] = Counter()
        self._leads: dict[str, str] = {}  # a link's address that is being followed: what stands behind its #
        self._sent: dict[str, str] = {}  # the request that was let go, by its number in Chromium: its origin
        self._answering: set[asyncio.Task[None]] = set()

    async def begin(self, browser: Browser) -> None:
        """Look at everything from now on."""
        cdp = await browser.new_browser_cdp_session()
        cdp.on("Fetch.requestPaused", lambda event: self._later(self._paused(cdp, event)))
        await cdp.send("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Request"}]})

    def let_go(self, method: str, url: str, body: bytes | None = None) -> None:
        """Hear that one request of this kind may leave: with just this body, or, for None, with whatever is in it."""
        if method not in SAFE:
            self._let_go[method, _whole(url), body] += 1

    def leads(self, url: str, fragment: str) -> None:
        """Hear that a link is followed, whose address has this behind its #: routes do not see it, the site's script does."""
        self._leads = {url: fragment}

    def forget(self) -> None:
        """Take back what was let go and has not left: the agent takes part from now on."""
        self._let_go.clear()

    async def _paused(self, cdp: CDPSession, event: Mapping[str, Any]) -> None:
        number = {"requestId": event["requestId"]}
        with contextlib.suppress(Error):  # whoever asked for it is gone, and it with them
            if self._may_leave(event):
                await cdp.send("Fetch.continueRequest", number)
            else:
                await cdp.send("Fetch.failRequest", {**number, "errorReason": "BlockedByClient"})

    def _may_leave(self, event: Mapping[str, Any]) -> bool:
        method, url = event["request"]["method"], _whole(event["request"]["url"])
        if method in SAFE:
            return event.get("resourceType") != "Document" or self._is_as_it_led(event["request"], url)
        site = origin(url)
        led_from = self._sent.pop(event.get("redirectedRequestId", ""), None)
        if led_from is None and (kind := self._known(method, url, _body(event["request"]))) is not None:
            self._let_go -= Counter([kind])
        elif led_from != site:
            self._note(
                "The site wanted what was sent to it sent on to another one, which was not done."
                if led_from is not None
                else "Something that nobody could be asked about was not sent."
            )
            return False
        self._sent[event["requestId"]] = site
        while len(self._sent) > _MOST_REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return True

    def _is_as_it_led(self, request: Mapping[str, Any], url: str) -> bool:
        fragment = self._leads.pop(url, None)
        if fragment is None or request.get("urlFragment", "").removeprefix("#") == fragment:
            return True
        self._note("The link was changed by the page as it was followed, which was not done.")
        return False

    def _known(self, method: str, url: str, body: bytes) -> _Kind | None:
        return next((kind for kind in ((method, url, body), (method, url, None)) if kind in self._let_go), None)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


def _whole(url: str) -> str:
    """Give an address as it is asked for."""
    return url.partition("#")[0]


def _body(request: Mapping[str, Any]) -> bytes:
    return b"".join(base64.b64decode(part.get("bytes", "")) for part in request.get("postDataEntries", ()))
