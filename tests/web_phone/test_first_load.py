"""What a browser fetches before somebody can use the page."""

from __future__ import annotations

import gzip
from pathlib import Path

from playwright.async_api import BrowserContext, Response, expect

from tests.support.phone_site import PhoneSite
from tests.web_phone.screen import Screen

MOST_BYTES = 200_000


async def test_the_first_load_is_under_two_hundred_kilobytes_compressed(
    context: BrowserContext, site: PhoneSite
) -> None:
    page = await context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 -- playwright takes no built-in

    await page.goto(site.origin)
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    # The page's own: what the service worker keeps for later it fetches by itself, behind that.
    loaded = {answer.url: len(gzip.compress(await answer.body())) for answer in answers if answer.ok}
    assert any(url.endswith(".js") for url in loaded)
    assert any(url.endswith(".css") for url in loaded)
    assert sum(loaded.values()) < MOST_BYTES, loaded


async def test_a_browser_that_can_not_keep_keys_is_told_so_and_nothing_else_is_tried(
    context: BrowserContext, site: PhoneSite, pictures: Path
) -> None:
    page = await context.new_page()
    await page.add_init_script(
        "crypto.subtle.generateKey = async () => { throw new DOMException('', 'NotSupportedError'); }"
    )
    screen = Screen(page, site.origin, pictures)

    await screen.open()

    await expect(page.get_by_text("This browser can't keep keys safely")).to_be_visible()
    await screen.looks_right("no-keys")
    assert screen.origins == {site.origin}
