"""What the pages of a session ask for: when nothing moves any more, and what is held back until a person says yes.

In the sandbox; called by pages.py, which says what the agent does. docs/browser.md, "What is asked, what is audited".
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Error, Frame, Page, Request, Route

from dispatch_host.browser import wire
from dispatch_host.browser.guard import SAFE, Guard

_CARRIES = frozenset({"document", "xhr", "fetch"})  # what a form's script may put what was typed into
_LOOK_SECONDS = 0.05
_QUIET_LOOKS = 6
"""So often nothing has moved: looks and not seconds, since while this process stands still nothing it could hear of moves."""
_LEADING_LOOKS = 40
"""So often while what leads elsewhere has asked for nothing: on a busy computer Chromium takes a while to begin."""
_LOADING_SECONDS = 8.0


@dataclass(slots=True)
class Acting:
    """What the agent does just now, as far as it decides what is held back."""

    link: str = ""  # where the link that it follows led before it did anything on the page; it is followed once
    followed: bool = False
    sends: bool = False  # it presses what sends a form
    leads: bool = False  # that should lead elsewhere, and has asked for nothing yet
    adopted: bool = False  # a page that was opened by it is the page now
    new_document: bool = False
    leaves: Page | None = None  # which it leads elsewhere itself


class Traffic:
    """The requests of one session's pages."""

    def __init__(
        self,
        context: BrowserContext,
        *,
        tell: Callable[[Mapping[str, Any]], None],
        note: Callable[[str], None],
    ) -> None:
        """`tell` writes a line to the host, `note` to the agent."""
        # Fixed after __init__.
        self._context = context
        self._tell = tell
        self._note = note
        self._numbers = itertools.count(1)
        self._guard = Guard(note=note)
        # Touched on one loop.
        self.acting: Acting | None = None
        self._touched = False  # since the last address that the agent opened
        self._typed = False  # since then, and since the person last let the page go somewhere
        self._lets_page_go = False  # the person has, and it is not yet where it goes
        self._held: dict[int, asyncio.Future[bool]] = {}
        self._loading: set[Request] = set()
        self._moves = 0  # how often something was asked for, or came

    async def begin(self) -> None:
        """Hear everything that a page asks for."""
        if self._context.browser is not None:
            await self._guard.begin(self._context.browser)
        await self._context.route("**/*", self._route)
        await self._context.route_web_socket("**/*", lambda way: way.close())
        self._context.on("request", self._asks)
        self._context.on("requestfinished", self._came)
        self._context.on("requestfailed", self._came)

    def answered(self, number: int, *, yes: bool) -> None:
        """Hear what became of a request that was held."""
        if (held := self._held.get(number)) is not None and not held.done():
            held.set_result(yes)

    @property
    def touched(self) -> bool:
        """Tell whether the agent did anything on the page since it opened an address."""
        return self._touched

    def goes_to_an_address(self) -> None:
        """Hear that the agent opens an address: what that page does at first is not the agent's doing."""
        self._touched = self._typed = self._lets_page_go = False

    @contextlib.contextmanager
    def leaves(self, page: Page) -> Iterator[None]:
        """Hold where the body leads a page for the agent's own way: nothing of what is on it goes along."""
        self.acting = Acting(adopted=True, leaves=page)
        try:
            yield
        finally:
            self.acting = None

    @contextlib.contextmanager
    def act(self, *, link: str, sends: bool, types: bool, leads: bool) -> Iterator[None]:
        """Hold what the body does on the page for the agent's doing. A link to a new page is as good as an address.

        `link` is where it leads as links.py knows it, or empty; `leads` is what the page says, and only has it waited for longer.
        """
        before, self._touched = self._touched, True
        self._typed = self._typed or types
        if not before:
            self._guard.forget()
        self.acting = Acting(link=link, sends=sends, leads=leads)
        try:
            yield
        finally:
            if self.acting.followed and self.acting.new_document:
                self._touched = before
            self.acting = None

    @contextlib.asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Bound what is done, not counting the time in which a person is asked. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds) as timeout:

            async def keep() -> None:
                while True:
                    await asyncio.sleep(1)
                    if self._held and (when := timeout.when()) is not None:
                        timeout.reschedule(max(when, loop.time() + seconds / 2))

            keeping = loop.create_task(keep())
            try:
                yield
            finally:
                keeping.cancel()

    async def settle(self) -> None:
        """Wait until nothing has moved for a moment, for some seconds at most; time in which a person is asked does not count."""
        loop = asyncio.get_running_loop()
        deadline, quiet, moves = loop.time() + _LOADING_SECONDS, 0, self._moves
        while (now := loop.time()) < deadline:
            if self._held:
                deadline = now + _LOADING_SECONDS
            if self._held or self._loading or self._moves != moves:
                quiet, moves = 0, self._moves
            elif quiet >= (_LEADING_LOOKS if self.acting is not None and self.acting.leads else _QUIET_LOOKS):
                return
            quiet += 1
            await asyncio.sleep(_LOOK_SECONDS)
        if quiet <= _QUIET_LOOKS:
            self._note("It was still loading.")

    def loaded(self, _: Page) -> None:
        """Hear that a page has a new document."""
        if self.acting is not None:
            self.acting.new_document = True

    def navigated(self, frame: Frame) -> None:
        """Hear that a frame is elsewhere. A page that the person let go has nothing more on it of what was typed."""
        if self._lets_page_go and frame.parent_frame is None:
            self._lets_page_go = self._typed = False
            if self.acting is not None:
                self.acting.sends = False
        if self.acting is not None and frame.parent_frame is None:
            self.acting.leads = False  # a script leads on within the page, which asks for nothing

    def closed(self, page: Page) -> None:
        """Hear that a page is gone, and what it asked for with it."""
        self._loading = {request for request in self._loading if not _is_from(request, page)}

    def _asks(self, request: Request) -> None:
        self._loading.add(request)
        self._moves += 1
        acting = self.acting
        if acting is not None and (_is_of_the_page(request) or (acting.sends and request.resource_type in _CARRIES)):
            acting.leads = False  # anything else may only count who clicks
        if _is_of_the_page(request) and request.url.startswith(("http:", "https:")):
            self._tell({"visits": request.url[:16384]})

    def _came(self, request: Request) -> None:
        self._loading.discard(request)
        self._moves += 1

    async def _route(self, route: Route, request: Request) -> None:
        with contextlib.suppress(Error):  # the page is gone, and its request with it
            if request.resource_type in ("ping", "beacon", "cspviolationreport"):
                await route.abort()
            elif self._must_wait(request):
                await self._hold(route, request)
            else:
                self._guard.let_go(request.method, request.url)
                await route.continue_()

    def _must_wait(self, request: Request) -> bool:
        """Tell whether it sends something that the agent has a part in."""
        if request.method not in SAFE:
            return self._touched
        acting = self.acting
        if acting is not None and self._follows(request, acting):
            return False
        if acting is not None and acting.sends and request.resource_type in _CARRIES:
            return True
        if acting is not None and acting.leaves is not None and _is_from(request, acting.leaves):
            return False
        # What was typed may stand anywhere in an address, and a script may take its time: whatever the page itself goes to waits.
        return _is_of_the_page(request) and (self._typed or (acting is not None and "?" in request.url))

    def _follows(self, request: Request, acting: Acting) -> bool:
        """Tell whether it is the page that goes where the link leads: once, and to that very address."""
        address, _, fragment = acting.link.partition("#")
        if not address or request.url != address or not _is_of_the_page(request):
            return False
        acting.link, acting.followed = "", True
        self._guard.leads(address, fragment)
        return True

    async def _hold(self, route: Route, request: Request) -> None:
        body = request.post_data_buffer or b""
        url = request.url
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = "\0"
        if len(body) > wire.SENT_BYTES or len(url) > wire.SENT_BYTES or not wire.can_be_shown(text + url):
            self._note("It wanted to send what can't be shown to a person, or too much; that was not sent.")
            await route.abort()
            return
        number = next(self._numbers)
        held = self._held[number] = asyncio.get_running_loop().create_future()
        self._tell(
            {
                "sends": {
                    "number": number,
                    "method": request.method[:16],
                    "url": url,
                    "body": text,
                    "kind": request.headers.get("content-type", "")[:256],
                    "page": _asked_by(request)[:16384],
                }
            }
        )
        try:
            yes = await held
        finally:
            del self._held[number]
        if not yes:
            self._note("The person did not allow what it wanted to send; that was not sent.")
            await route.abort()
            return
        self._lets_page_go = self._lets_page_go or _is_of_the_page(request)
        if request.method in SAFE:
            await route.continue_()
        else:
            self._guard.let_go(request.method, url, body)
            # By these bytes: what the browser would add, the contents of files, nobody was shown.
            await route.continue_(post_data=body)


def _is_of_the_page(request: Request) -> bool:
    """Tell whether it is the page itself that goes there."""
    try:
        return bool(request.is_navigation_request()) and request.frame.parent_frame is None
    except Error:  # of a page that is just being made
        return bool(request.is_navigation_request())


def _asked_by(request: Request) -> str:
    """Give whose request it is: the origin that the browser names to the site, else the address of the nearest frame with one."""
    if (named := request.headers.get("origin")) is not None:
        return str(named)
    with contextlib.suppress(Error):
        frame: Frame | None = request.frame
        while frame is not None:
            if frame.url.startswith(("http:", "https:")):
                return str(frame.url)
            frame = frame.parent_frame
    return ""


def _is_from(request: Request, page: Page) -> bool:
    try:
        return bool(request.frame.page == page)
    except Error:  # of a page that never came to be, or is gone: nothing comes of it
        return True
