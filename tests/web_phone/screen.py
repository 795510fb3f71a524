"""What a person does on the web phone, in their words. Waits by the page's own conditions; the deadline is the tests' one."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import ConsoleMessage, Locator, Page, Request, expect

from tests.support.lateness import TOO_LATE
from tests.support.processes import Process
from tests.support.waiting import DEADLINE_SECONDS, until_so
from tests.support.world import ACCOUNT, PASSWORD, World
from tests.web_phone.looks import SIZES, faults, violations

_MS = DEADLINE_SECONDS * 1000
expect.set_options(timeout=_MS)
# A connection that is refused or lost is no defect of the page, and browsers say it all the same.
_USUAL = re.compile(r"WebSocket connection to|net::ERR_|Failed to load resource")

_UNSENT = ("refused", "not_sent")
_REFUSED = ", ".join(f"article.task[data-state={state}]" for state in _UNSENT)
_LATE = ", ".join(f"[data-reason={reason}]" for reason in sorted(TOO_LATE | {"NO_NETWORK"}))

_MOST_TABS = 60
# Once the page has drawn itself in its new size, and not later: news would draw it anew.
_IN_VIEW = """
async (one) => {
  for (let frame = 0; frame < 2; frame++) await new Promise((drawn) => requestAnimationFrame(drawn));
  const at = one.getBoundingClientRect();
  const around = one.closest('.scroll')?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
  return at.top >= around.top - 1 && at.bottom <= Math.min(around.bottom, innerHeight) + 1;
}
"""  # JavaScript
_LISTEN = """
() => {
  window.heardByTest = [];
  const heard = (node) => { const said = (node.textContent ?? '').trim(); if (said !== '') window.heardByTest.push(said); };
  new MutationObserver((changes) => { for (const { addedNodes } of changes) addedNodes.forEach(heard); })
    .observe(document.querySelector('.heard'), { childList: true });
}
"""  # JavaScript


class Screen:
    """One page. `complaints` has what the browser says is wrong, `origins` whom the page talked to."""

    def __init__(self, page: Page, origin: str, pictures: Path) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        self.origins: set[str] = set()
        self._pictures = pictures
        self._count = 0
        page.set_default_timeout(_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _USUAL.search(message.text):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if (found := re.match(r"[a-z]+://[^/]+", request.url)) is not None:
            self.origins.add(found.group())

    async def open(self, fragment: str = "") -> None:
        await self.page.goto(f"{self.origin}/{fragment}")

    async def picture(self, name: str) -> None:
        """Take a picture, if anybody wants to look."""
        if not self._pictures.is_dir():
            return
        self._count += 1
        await self.page.screenshot(path=self._pictures / f"{self._count:02}-{name}.png")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    async def sign_in(self, world: World) -> None:
        page = self.page
        await page.get_by_label("Service").fill(world.pairing_web)
        await page.get_by_label("Account").fill(ACCOUNT)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_label("Name of this phone").fill("pocket")
        await self.button("Sign in").click()
        await expect(page.get_by_text("No computer is paired")).to_be_visible()

    async def paste(self, link: str) -> None:
        await self.button("Pair a computer").first.click()
        await self.page.get_by_label("Or paste the link").fill(link)
        await self.button("Use the link").click()

    async def compare(self, host: Process) -> None:
        """See that both sides show the same number."""
        shown = await self.page.locator("output.code").text_content()
        assert shown == (await host.event("code"))["code"]

    async def agree(self, host: Process) -> None:
        """Compare the number on both sides, and say yes on both."""
        await self.compare(host)
        await self.picture("compare")
        await self.button("Yes, the same").click()
        await host.say("yes")
        await host.event("paired")
        assert await host.ended() == 0

    async def sign_in_again(self) -> None:
        """Say the password where all else is known already; what was on the screen before is on it then."""
        password = self.page.get_by_label("Password")
        await password.fill(PASSWORD)
        await self.button("Sign in").click()
        await expect(password).to_have_count(0)

    async def pair(self, world: World) -> None:
        """Sign in and pair with the host "desk", by the link."""
        await self.sign_in(world)
        await self.pair_with(world, "desk")

    async def pair_with(self, world: World, device: str) -> None:
        """Pair with a host that is signed in, by the link; its thread is open then."""
        host = await world.start("dispatch-host", "pair", "--home", world.home(device))
        await self.paste((await host.event("qr"))["link"])
        await self.agree(host)
        await expect(self.page.get_by_role("heading", name=device)).to_be_visible()

    async def together(self, world: World, *, held: bool = False) -> Process:
        """Pair with the host "desk", and run it; `held`: each task of it runs until it is let go."""
        await self.pair(world)
        host = await world.run_host("desk", env=world.held() if held else None)
        await self.connected()
        return host

    async def opens(self, host: str) -> None:
        """Choose a computer of the list."""
        await self.page.get_by_role("button", name=host).click()
        await expect(self.page.get_by_role("heading", name=host)).to_be_visible()

    async def connected(self) -> None:
        await self.stands("reachable")

    async def stands(self, standing: str) -> None:
        """Wait until the head of the thread says so of its computer."""
        await expect(self.page.locator(f"header .presence[data-standing={standing}]")).to_be_visible()

    async def send(self, words: str, *, to: str = "desk") -> Locator:
        """Send a task; gives its card."""
        await self.page.get_by_label(f"Message to {to}").fill(words)
        await self.button("Send").last.click()
        return self.page.locator("article.task").filter(has_text=words).last

    async def looks_right(self, name: str, *, with_in_view: Locator | None = None) -> None:
        """Look at the screen in every size, light and dark: nothing broken, that in view, and a picture of each."""
        size = self.page.viewport_size
        wrong: list[str] = []
        for width, height in SIZES:
            await self.page.set_viewport_size({"width": width, "height": height})
            if with_in_view is not None and not await with_in_view.evaluate(_IN_VIEW):
                wrong.append(f"{width} px: out of view: {with_in_view}")
            wrong += [f"{width} px: {fault}" for fault in await faults(self.page)]
            for scheme in ("light", "dark"):
                await self.page.emulate_media(color_scheme=scheme)
                colours_only = scheme == "dark"  # in which nothing else is another
                found = await violations(self.page, colours_only=colours_only)
                wrong += [f"{scheme}, {width} px: {fault}" for fault in found]
                await self.picture(f"{name}-{width}-{scheme}")
        await self.page.emulate_media(color_scheme="light")
        if size is not None:
            await self.page.set_viewport_size(size)
        assert not wrong, "\n".join(wrong)

    async def listen(self) -> None:
        """Note from here on what a screen reader is told to read."""
        await self.page.evaluate(_LISTEN)

    async def hears(self, *words: str) -> None:
        """Wait until all of them were read."""

        async def so() -> bool:
            heard = " | ".join(await self.page.evaluate("window.heardByTest"))
            return all(one in heard for one in words)

        await until_so(so)

    async def tab_to(self, wanted: Locator) -> None:
        """Press Tab until it has the focus, as somebody without a mouse does."""
        await expect(wanted).to_be_enabled()  # what is not there, or not yet, Tab does not lead to
        for _ in range(_MOST_TABS):
            if await self.has_focus(wanted):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {wanted}")

    async def has_focus(self, wanted: Locator) -> bool:
        return await wanted.count() == 1 and bool(await wanted.evaluate("(one) => one === document.activeElement"))

    async def press(self, wanted: Locator) -> None:
        """Go there by Tab and press Enter."""
        await self.tab_to(wanted)
        await self.page.keyboard.press("Enter")

    async def write(self, wanted: Locator, words: str) -> None:
        """Go there by Tab and type."""
        await self.tab_to(wanted)
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(words)

    async def becomes(self, card: Locator, state: str) -> None:
        """Wait until a card stands so. What a busy computer took too long for is sent again, as its person would do."""
        late = self.page.locator(_REFUSED).filter(has=self.page.locator(_LATE))
        again = card.and_(late).get_by_role("button", name="Send again")
        if state not in _UNSENT:
            await self.page.add_locator_handler(again, lambda button: button.click(), no_wait_after=True)
        try:
            await expect(card).to_have_attribute("data-state", state)
        finally:
            if state not in _UNSENT:
                await self.page.remove_locator_handler(again)
