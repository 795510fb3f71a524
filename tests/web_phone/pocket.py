"""A phone in a pocket: what its browser's vendor would bring to the service worker, and what the person then sees and taps.

The vendor's service is the one thing that is not there: the page subscribes at the tests' own (`PushService`), which decrypts what
the relay sends as a browser does. The text goes to the worker through DevTools.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import BrowserContext, CDPSession, Page, async_playwright

from tests.browser.conftest import FLAGS
from tests.support.lateness import CALM
from tests.support.processes import run
from tests.support.push_service import Browser
from tests.support.tray import Shown, Tray
from tests.support.waiting import DEADLINE_SECONDS, until, until_so
from tests.support.world import World
from tests.web_phone.screen import Screen

# Nobody waits for more to come, or for a minute to be over.
_PROMPT = {
    **CALM,
    "DISPATCH_RELAY_PUSH_NETWORKS": "127.0.0.0/8,::1/128",
    "DISPATCH_RELAY_PUSH_GROUP_MS": "1",
    "DISPATCH_RELAY_PUSH_NEWS_GAP_MS": "1",
    "DISPATCH_RELAY_PUSH_QUESTION_GAP_MS": "1",
}
# What `PushManager` gives where a vendor's service is reached.
_SUBSCRIBES = """
(({endpoint, p256dh, auth}) => {
  if (!('PushManager' in self)) return;
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer;
  let now = null;
  PushManager.prototype.getSubscription = async () => now;
  PushManager.prototype.subscribe = async (options) => now = {
    endpoint, options: {applicationServerKey: options.applicationServerKey.buffer},
    unsubscribe: async () => { now = null; return true; },
    getKey: (name) => bytes(name === 'auth' ? auth : p256dh),
  };
})(%s)
"""

_PAIRING = """
() => new Promise((done) => {
  indexedDB.open('dispatch').onsuccess = ({target: {result}}) => {
    result.transaction('pairings').objectStore('pairings').getAllKeys().onsuccess = ({target}) => { result.close(); done(target.result[0]); };
  };
})
"""  # noqa: E501 -- JavaScript
_HELD = "async () => (await navigator.locks.query()).held.map(({name}) => name)"
# Heard after the worker's own listener has asked the same, and so answered after it.
_NOTES = """
() => self.addEventListener('push', async () => {
  await self.clients.matchAll({type: 'window'});
  self.seenByTest = true;
})
"""


@asynccontextmanager
async def world_that_calls(folder: Path, origin: str, authority: Path) -> AsyncIterator[World]:
    """Give services of which the relay calls by Web Push, and a host that is signed in and may change some files."""
    async with World(folder, relay_env=_PROMPT) as world:
        calls = ("--push-contact", "mailto:operator@example.org", "--push-ca", str(authority))
        await world.services_for_browsers(origin, relay=calls)
        files = folder / "files"
        files.mkdir()
        (files / "small.bin").write_bytes(b"x" * 10)
        (files / "large.bin").write_bytes(b"x" * 5_000)
        await world.sign_in("dispatch-host", "desk")
        code, events = await run("dispatch-host", "folders", "add", str(files), "--write", "--home", world.home("desk"))
        assert code == 0, events
        yield world


@asynccontextmanager
async def phone_that_notifies(
    profile: Path, origin: str, *, tray: Tray, subscription: Browser
) -> AsyncIterator[BrowserContext]:
    """Give a phone that lets this page notify: a profile on the disk, since a tap opens no window of another."""
    program = shutil.which("chromium")
    if program is None:
        raise AssertionError("chromium is missing: apt-get install chromium")
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile, executable_path=program, args=list(FLAGS), locale="en-US", timezone_id="UTC",
            viewport={"width": 390, "height": 780}, env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": tray.address},
        )  # fmt: skip
        context.set_default_timeout(DEADLINE_SECONDS * 1_000)
        try:
            await context.grant_permissions(["notifications"], origin=origin)
            await reaches_a_push_service(context, subscription)
            yield context
        finally:
            await context.close()


async def reaches_a_push_service(context: BrowserContext, subscription: Browser) -> None:
    """Have pages of this browser subscribe there."""
    public = subscription.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    said = {
        "endpoint": subscription.endpoint,
        "p256dh": base64.b64encode(public).decode(),
        "auth": base64.b64encode(subscription.auth).decode(),
    }
    await context.add_init_script(_SUBSCRIBES % json.dumps(said))


class Pocket:
    """A phone that wants to be called."""

    def __init__(self, screen: Screen, subscription: Browser, tray: Tray) -> None:
        self.screen = screen
        self.subscription = subscription
        self.tray = tray
        self.pairing = ""
        self._brought = 0
        self._devtools: CDPSession
        self._registration = ""

    async def wants_calls(self, *, answers_there: bool = False) -> None:
        """Choose it in the settings, and come back to the thread."""
        page = self.screen.page
        await self.screen.button("Back").click()
        await self.screen.button("Settings").click()
        await page.get_by_label("Call me when").check()
        if answers_there:
            await page.get_by_label("Show what is asked").check()
        await self.screen.picture("settings")
        await self.screen.button("Back").click()
        await page.get_by_role("button", name="desk").click()
        await self.screen.connected()
        self.pairing = await page.evaluate(_PAIRING)
        await self._finds_its_worker()

    async def _finds_its_worker(self) -> None:
        """Learn by what number DevTools know the worker. They say so to whoever enables this once the page is on its origin."""
        await self.screen.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        self._devtools = await self.screen.page.context.new_cdp_session(self.screen.page)
        found: list[str] = []

        def updated(said: dict[str, Any]) -> None:
            found.extend(one["registrationId"] for one in said["registrations"] if not one["isDeleted"])

        self._devtools.on("ServiceWorker.workerRegistrationUpdated", updated)
        await self._devtools.send("ServiceWorker.enable")
        await until(lambda: found)
        self._registration = found[-1]

    async def is_put_away(self, world: World, page: Page | None = None) -> None:
        """Close the app, on this page, and wait until the relay knows that nobody looks; the browser goes on."""
        await (page or self.screen.page).goto("about:blank")

        async def alone() -> bool:
            return await world.sample('dispatch_relay_streams{carrier="web",kind="phone"}') == 0

        await until_so(alone)

    async def is_behind(self) -> None:
        """Leave the app open, behind another page. Else playwright has each page think that it has the focus."""
        await self._devtools.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
        front = await self.screen.page.context.new_page()
        await front.bring_to_front()

    async def borrows(self) -> None:
        """Wait until the worker has the device."""
        [worker] = self.screen.page.context.service_workers

        async def borrowed() -> bool:
            return "dispatch-borrowed" in await worker.evaluate(_HELD)

        await until_so(borrowed)

    async def is_brought(self, count: int = 1) -> None:
        """Bring so many more pushes to the worker, as soon as the relay has sent them."""
        for _ in range(count):
            self._brought += 1
            await self.brings((await self.subscription.got(self._brought)).text.decode())

    async def brings_question(self) -> None:
        """Bring a push that the relay would not have sent, since it takes the person to be looking."""
        await self.brings_call("question")

    async def brings_call(self, hint: str) -> None:
        await self.brings(json.dumps(self._call(hint)))

    async def brings_while_looked_at(self, hint: str) -> None:
        """Bring a push to the worker, which should keep it to itself; gives when it has seen who looks."""
        [worker] = self.screen.page.context.service_workers
        await worker.evaluate(_NOTES)
        await self._hands_over(json.dumps(self._call(hint)))
        await until_so(lambda: worker.evaluate("self.seenByTest === true"))

    async def brings(self, text: str) -> None:
        """Bring a push to the worker; it is shown."""
        before = len(self.tray.ever)
        await self._hands_over(text)
        await until(lambda: len(self.tray.ever) > before)

    def _call(self, hint: str) -> dict[str, str | int]:
        return {"v": 1, "pairing": self.pairing, "hint": hint, "seq": 1, "calls": 1}

    async def _hands_over(self, text: str) -> None:
        said = {"origin": self.screen.origin, "registrationId": self._registration, "data": text}
        await self._devtools.send("ServiceWorker.deliverPushMessage", said)

    async def opens(self, shown: Shown) -> Page:
        """Tap a notification; gives the page that comes."""
        async with self.screen.page.context.expect_page() as coming:
            await self.tray.tap(shown)
        return await coming.value
