"""What can't be done is said, nothing is lost by it, and the page has nothing to complain of."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support.phone_site import PhoneSite
from tests.support.waiting import until_so
from tests.support.world import World
from tests.web_phone.screen import Screen

TOO_LONG = "word " * 12_000
# From here on nothing can be written into the page's database.
_FULL = """
() => {
  const transaction = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (stores, mode, ...rest) {
    if (mode === 'readwrite') throw new DOMException('', 'QuotaExceededError');
    return transaction.call(this, stores, mode, ...rest);
  };
}
"""  # JavaScript
# A pairing that this phone has not sealed.
_SPOILS = """
() => new Promise((done) => {
  indexedDB.open('dispatch').onsuccess = ({target: {result}}) => {
    const turn = result.transaction('pairings', 'readwrite');
    turn.objectStore('pairings').put({revision: 0, core: new Uint8Array(40), known: new Uint8Array(40), agreeKey: null}, '0'.repeat(32));
    turn.oncomplete = () => { result.close(); done(); };
  };
})
"""  # noqa: E501 -- JavaScript
_CAMERA = """
(() => {
  HTMLMediaElement.prototype.play = async () => { throw new DOMException('', 'NotAllowedError'); };
  const ask = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = async function (...given) { return (window.filmed = await ask.apply(this, given)); };
})()
"""  # JavaScript
_CAMERA_IS_OFF = "window.filmed.getTracks().every(({readyState}) => readyState === 'ended')"


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    """Give a page that is not opened yet: what its browser can't do is to be said before."""
    return await context.new_page()


async def test_words_that_are_too_long_come_back_and_can_be_sent_shorter(world: World, screen: Screen) -> None:
    await screen.pair(world)
    await world.run_host("desk")
    await screen.connected()
    box = screen.page.get_by_label("Message to desk")

    await box.fill(TOO_LONG)
    await screen.button("Send").last.click()

    await expect(screen.page.locator(".composer .trouble[data-reason=BAD_REQUEST]")).to_be_visible()
    await expect(box).to_have_value(TOO_LONG)
    await expect(screen.page.locator("article.task")).to_have_count(0)
    await screen.becomes(await screen.send("What are the largest files?"), "done")


async def test_a_setting_that_can_not_be_kept_says_so_and_is_as_before(world: World, screen: Screen) -> None:
    await screen.pair(world)
    await screen.button("Back").click()
    await screen.button("Settings").click()
    await screen.page.evaluate(_FULL)

    await screen.page.get_by_label("Name", exact=True).fill("Study")
    await screen.button("Rename").click()

    await expect(screen.page.locator(".host-settings .trouble")).to_be_visible()
    await expect(screen.button("Remove")).to_have_count(0)  # that is for what the service does not end
    await screen.button("Sign out").click()
    await expect(screen.page.locator("section[aria-labelledby=set-about] .trouble")).to_be_visible()


async def test_what_was_kept_and_can_not_be_read_is_said_in_a_new_page(world: World, screen: Screen) -> None:
    await screen.sign_in(world)
    await screen.page.evaluate(_SPOILS)

    await screen.page.reload()

    await expect(screen.page.get_by_text("Starting")).to_have_count(0)
    await expect(screen.page.get_by_role("heading", name="Dispatch")).to_be_visible()


async def test_a_camera_whose_picture_can_not_be_shown_is_turned_off(
    world: World, page: Page, site: PhoneSite, pictures: Path
) -> None:
    await page.add_init_script(_CAMERA)
    screen = Screen(page, site.origin, pictures)
    await screen.open()
    await screen.sign_in(world)
    await screen.button("Pair a computer").first.click()

    await screen.button("camera").click()

    await expect(page.get_by_text("can't be used")).to_be_visible()
    await until_so(lambda: page.evaluate(_CAMERA_IS_OFF))
    assert screen.complaints == []


async def test_a_browser_that_has_no_worker_has_the_app(page: Page, site: PhoneSite, pictures: Path) -> None:
    await page.add_init_script(
        "ServiceWorkerContainer.prototype.register = async () => {"
        " window.askedForWorker = true; throw new DOMException('', 'SecurityError'); }"
    )
    screen = Screen(page, site.origin, pictures)

    await screen.open()

    await expect(screen.button("Sign in")).to_be_visible()
    await until_so(lambda: page.evaluate("window.askedForWorker === true"))
    assert screen.complaints == []
