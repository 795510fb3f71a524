"""What the worker does with Chromium's pages: opens, reads, clicks and fills. In the sandbox.

Playwright's accessibility snapshot is the page's text (reading.py); the `ref` in it is how an element is meant. What pages ask for
is traffic.py. docs/browser.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from playwright.async_api import BrowserContext, Dialog, Download, Error, Locator, Page
from playwright.async_api import TimeoutError as TooLong

from dispatch_host.browser import wire
from dispatch_host.browser.links import Links
from dispatch_host.browser.reading import TABLE, Opened, as_markdown, in_parts
from dispatch_host.browser.traffic import Traffic

MOST_PAGES = 5
_GOTO_MS = 25_000
_NOTHING = "about:blank"
_ALIVE_SECONDS = 5.0
_SHOT_PIXELS = 8_000
_KEYS = re.compile(
    r"[A-Za-z0-9]|Enter|Tab|Escape|Backspace|Delete|Space|Home|End|Page(?:Up|Down)|Arrow(?:Up|Down|Left|Right)"
)
# What an element is: whether it is a link, whether it is what sends a form, and whether it leads to another document.
_ABOUT = """element => {
  const control = element.closest('button, input, select, textarea, a[href]') || element;
  const sends = control.form && (control.type === 'submit' || control.type === 'image');
  const link = control.tagName === 'A' && !control.form;
  const [to] = link && /^https?:/.test(control.href) ? control.href.split('#') : [''];
  const within = link && control.href.includes('#') && to === location.href.split('#')[0];
  const leads = to !== '' && !within;
  return {link, leads, sends: Boolean(sends), form: Boolean(control.form), area: control.tagName === 'TEXTAREA'};
}"""


class CannotDo(Exception):
    """What was asked can't be done on this page; the text says why."""


class Pages:
    """The pages of one session; the last is the one that is meant."""

    def __init__(self, context: BrowserContext, *, tell: Callable[[Mapping[str, Any]], None]) -> None:
        """`tell` writes a line to the host."""
        # Fixed after __init__.
        self._context = context
        self._traffic = Traffic(context, tell=tell, note=self._note)
        self._links = Links(context)
        # Touched on one loop.
        self._open: list[Page] = []
        self._parts: list[str] = [""]
        self._notes: list[str] = []
        self._saving: asyncio.Future[Download] | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Open the first page, with an ear at everything that it may do."""
        await self._traffic.begin()
        self._context.on("page", self._opened)
        self._open = [await self._context.new_page()]

    def answered(self, number: int, *, yes: bool) -> None:
        """Hear what became of a request that was held."""
        self._traffic.answered(number, yes=yes)

    def patience(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Bound what is done, not counting the time in which a person is asked. Raises TimeoutError."""
        return self._traffic.patience(seconds)

    # ---- what an agent does

    async def open(self, url: str) -> Opened:
        page = await self._page()
        if self._traffic.touched:
            # What the page does when it is left is still for the person to see, and is done before the next one counts.
            with self._traffic.leaves(page):
                await self._go(page, _NOTHING)
        self._traffic.goes_to_an_address()
        await self._go(page, url)
        return await self._read()

    async def read(self, part: int) -> Opened:
        if part <= 1:
            return await self._read()
        if part > len(self._parts):
            raise CannotDo(f"The page has {len(self._parts)} parts.")
        return await self._said(part)

    async def text(self) -> Opened:
        """Read the plain text."""
        page = await self._page()
        opened = await self._said(1)
        opened.text = (await page.inner_text("body"))[: wire.TEXT_CHARACTERS]
        return opened

    async def click(self, ref: str) -> Opened:
        await self._click(ref)
        return await self._read()

    async def fill(self, ref: str, text: str) -> Opened:
        element = await self._element(ref)
        async with self._act(types=True):
            kind = await element.evaluate("element => element.tagName + ' ' + (element.type || '')")
            if kind.startswith("SELECT"):
                await element.select_option(label=text)
            elif kind in ("INPUT checkbox", "INPUT radio"):
                await element.set_checked(text.strip().lower() in ("true", "yes", "on", "1"))
            elif kind == "INPUT file":
                raise CannotDo("Files are not sent to sites.")
            else:
                await element.fill(text)
        return await self._read()

    async def press(self, key: str, ref: str) -> Opened:
        if not _KEYS.fullmatch(key):
            raise CannotDo(
                "That key is not pressed here: a letter, a digit, Enter, Tab, Escape, an arrow and their like are."
            )
        page = await self._page()
        element = await self._element(ref) if ref else page.locator("*:focus")
        about = await element.evaluate(_ABOUT) if ref or await element.count() else {}
        follows = key == "Enter" and bool(about.get("link"))
        link = self._links.address(page, ref) if follows else ""
        sends = key in ("Enter", "Space") and bool(about.get("form")) and not about.get("area")
        leads = sends or (follows and bool(about.get("leads")))
        async with self._act(link=link, sends=sends, types=not follows, leads=leads):
            await (element.press(key, no_wait_after=True) if ref else page.keyboard.press(key))
        return await self._read()

    async def back(self) -> Opened:
        page = await self._page()
        if len(self._open) > 1:
            self._open.remove(page)
            await page.close()
        else:
            with self._traffic.leaves(page):
                gone = await page.go_back(wait_until="commit", timeout=_GOTO_MS)
                if page.url == _NOTHING:
                    gone = await page.go_back(wait_until="commit", timeout=_GOTO_MS)
                if gone is None:
                    self._note("There is nothing to go back to.")
        await self._traffic.settle()
        return await self._read()

    async def table(self, ref: str) -> Opened:
        page = await self._page()
        element = await self._element(ref) if ref else page.locator("table").first
        if not await element.count():
            raise CannotDo("There is no table on this page.")
        rows = await element.evaluate(TABLE)
        if not rows:
            raise CannotDo("That is no table.")
        opened = await self._said(1)
        opened.text = as_markdown(rows)
        opened.part = opened.parts = 1
        return opened

    async def screenshot(self) -> tuple[str, str, str]:
        """Take a picture of the page from its top; gives a name, the address, and where it lies."""
        page = await self._page()
        async with self.patience(30):
            await self._traffic.settle()
            height = await page.evaluate("() => document.documentElement.scrollHeight")
            height = int(min(max(height, 100), _SHOT_PIXELS)) if isinstance(height, int | float) else 800
            data = await page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": height})
        return "screenshot.png", page.url, _put(data)

    async def download(self, *, ref: str | None, url: str | None) -> tuple[str, str, str]:
        """Save what an element or an address gives; gives its name, its address, and where it lies."""
        self._saving = asyncio.get_running_loop().create_future()
        try:
            if ref is not None:
                await self._click(ref)
                async with asyncio.timeout(20):
                    download = await self._saving
                return download.suggested_filename, download.url, str(await download.path())
            page = await self._context.new_page()
            try:
                with self._traffic.leaves(page):
                    response = await page.goto(str(url), wait_until="commit", timeout=_GOTO_MS)
                if response is None or not response.ok:
                    raise CannotDo(f"The site answered {response.status if response else 'nothing'}.")
                name = page.url.partition("?")[0].rstrip("/").rpartition("/")[2]
                return name, page.url, _put(await response.body())
            except Error as failure:
                if "Download is starting" not in failure.message:
                    raise
                download = await asyncio.wait_for(asyncio.shield(self._saving), 20)
                return download.suggested_filename, download.url, str(await download.path())
            finally:
                await page.close()
        except TimeoutError as late:
            raise CannotDo("It offers no file.") from late
        finally:
            self._saving = None

    # ---- how

    def _note(self, text: str) -> None:
        """Keep something for the agent to hear with the next answer."""
        self._notes.append(text)

    async def _page(self) -> Page:
        self._open = [page for page in self._open if not page.is_closed()] or [await self._context.new_page()]
        return self._open[-1]

    async def _element(self, ref: str) -> Locator:
        page = await self._page()
        element = page.locator(f"aria-ref={ref}") if re.fullmatch(r"(?:f\d{1,4})?e\d{1,7}", ref) else None
        if element is None or not await element.count():
            raise CannotDo("There is no such ref on the page as it was last read.")
        return element

    async def _click(self, ref: str) -> None:
        element = await self._element(ref)
        about = await element.evaluate(_ABOUT)
        sends = bool(about["sends"])
        link = self._links.address(await self._page(), ref)
        async with self._act(link=link, sends=sends, leads=sends or bool(about["leads"])):
            await element.click(no_wait_after=True)

    async def _go(self, page: Page, url: str) -> None:
        try:
            await page.goto(url, wait_until="domcontentloaded", timeout=_GOTO_MS)
        except TooLong:
            self._note("It was still loading.")
            return
        except Error as failure:
            if "Download is starting" in failure.message:
                raise CannotDo("That is a file and no page: browser_download saves it.") from failure
            why = next((word for word in failure.message.split() if "ERR_" in word), "an error")
            raise CannotDo(f"It can't be opened: {_WHY.get(why.rpartition(':')[2], why)}") from failure
        await self._traffic.settle()

    @contextlib.asynccontextmanager
    async def _act(
        self, *, link: str = "", sends: bool = False, types: bool = False, leads: bool = False
    ) -> AsyncIterator[None]:
        """Do something on the page, and wait for what comes of it."""
        await self._links.touch(await self._page())
        with self._traffic.act(link=link, sends=sends, types=types, leads=leads):
            try:
                yield
            except TooLong as failure:
                await self._is_alive()
                raise CannotDo("It can't be used: it is hidden, covered or disabled.") from failure
            await self._traffic.settle()

    async def _is_alive(self) -> None:
        """Raise TimeoutError for a page that does nothing any more, not even answer."""
        page = await self._page()
        async with asyncio.timeout(_ALIVE_SECONDS):
            await page.evaluate("() => 1")

    async def _read(self) -> Opened:
        page = await self._page()
        if not page.url.startswith(("http://", "https://", _NOTHING)):
            await page.goto(_NOTHING)
            self._note("It went to something that is no web page, which was closed.")
        self._parts = in_parts(await self._links.read(page))
        return await self._said(1)

    async def _said(self, part: int) -> Opened:
        page = await self._page()
        notes, self._notes = self._notes, []
        title = await page.title()
        return Opened(page.url, title, self._parts[part - 1], part, len(self._parts), list(dict.fromkeys(notes)))

    # ---- what pages do

    def _opened(self, page: Page) -> None:
        page.on("dialog", self._dialog)
        page.on("download", self._download)
        page.on("domcontentloaded", self._traffic.loaded)
        page.on("framenavigated", self._traffic.navigated)
        page.on("close", self._traffic.closed)
        page.on("close", self._links.closed)
        if not self._open or self._saving is not None:
            return  # one of our own
        acting = self._traffic.acting
        if acting is None or acting.adopted or len(self._open) >= MOST_PAGES:
            self._later(page.close())
            return
        acting.adopted = True
        self._open.append(page)
        self._note("It opened in a page of its own; browser_back closes that.")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            self._later(dialog.accept())
            return
        if len(self._notes) < wire.MOST_NOTES:
            self._note(f"The page said ({dialog.type}, dismissed): {dialog.message[:500]}")
        self._later(dialog.dismiss())

    def _download(self, download: Download) -> None:
        if self._saving is not None and not self._saving.done():
            self._saving.set_result(download)
            return
        self._later(download.cancel())
        if len(self._notes) < wire.MOST_NOTES:
            self._note(f"It offers a file, {download.suggested_filename[:200]}: browser_download saves it.")

    def _later(self, work: Any) -> None:
        async def quietly() -> None:
            with contextlib.suppress(Error):
                await work

        task = asyncio.get_running_loop().create_task(quietly())
        self._background.add(task)
        task.add_done_callback(self._background.discard)


_WHY = {
    "ERR_SOCKS_CONNECTION_FAILED": "the site was not found, did not answer, or is at an address that is not opened here.",
    "ERR_NAME_NOT_RESOLVED": "there is no site of that name.",
    "ERR_CERT_AUTHORITY_INVALID": "its certificate is from an authority that this computer does not know.",
    "ERR_CERT_DATE_INVALID": "its certificate is not valid now.",
    "ERR_CERT_COMMON_NAME_INVALID": "its certificate is another site's.",
    "ERR_TOO_MANY_REDIRECTS": "it leads round in circles.",
    "ERR_EMPTY_RESPONSE": "the site answered nothing.",
}


def _put(data: bytes) -> str:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
        return file.name
