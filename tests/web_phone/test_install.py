"""From the home screen: the phone is installed, opened as an app of its own, paired by its camera, and given work."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import BrowserContext, CDPSession, async_playwright, expect

from deploy.demo.samples import write_pdf
from tests.browser.conftest import FLAGS
from tests.support.phone_site import PhoneSite
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World
from tests.web_phone.camera import film
from tests.web_phone.screen import Screen


class Device(NamedTuple):
    """A computer or phone with a browser on it; `camera` is the film that its camera shows."""

    browser: BrowserContext
    camera: Path


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    """Give a browser with a profile on the disk, for one that keeps nothing installs nothing."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install chromium")
    camera = tmp_path / "camera.y4m"
    sees = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=program, locale="en-US",
            args=[*FLAGS, *sees, f"--use-file-for-fake-video-capture={camera}"],
            env={**os.environ, "HOME": str(tmp_path)},  # it writes to the desktop's menu
        )  # fmt: skip
        browser.set_default_timeout(DEADLINE_SECONDS * 1_000)
        try:
            yield Device(browser, camera)
        finally:
            await browser.close()


async def installed(browser: BrowserContext, site: PhoneSite, pictures: Path) -> Screen:
    """Install the phone from its page, close that, and open the app."""
    page = browser.pages[0]
    await page.goto(site.origin)
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    devtools: CDPSession = await browser.new_cdp_session(page)
    assert (await devtools.send("Page.getInstallabilityErrors"))["installabilityErrors"] == []
    app = {"manifestId": (await devtools.send("Page.getAppId"))["appId"]}
    await devtools.send("PWA.install", app)
    await devtools.send("PWA.changeAppUserSettings", {**app, "displayMode": "standalone"})
    async with browser.expect_page() as opening:
        await devtools.send("PWA.launch", app)
    window = await opening.value
    await page.close()
    return Screen(window, site.origin, pictures)


async def test_it_is_installed_opened_paired_by_its_camera_and_brings_a_result(
    world: World, device: Device, site: PhoneSite, pictures: Path
) -> None:
    screen = await installed(device.browser, site, pictures)
    assert await screen.page.evaluate("matchMedia('(display-mode: standalone)').matches")
    await screen.sign_in(world)
    write_pdf(world.folder / "files" / "invoice-march.pdf", "Invoice", ["Acme delivered forty chairs in March."])
    picture = world.folder / "code.png"
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"), "--qr-png", str(picture))
    await host.event("qr")
    film(picture, device.camera)
    await screen.button("Pair a computer").first.click()
    await screen.button("Scan with the camera").click()
    await screen.agree(host)
    await world.run_host("desk")
    await screen.connected()

    card = await screen.send("Find PDFs with invoice in the filename, list them, and summarise the first")

    await screen.becomes(card, "done")
    await expect(card.locator(".result tbody tr")).to_contain_text("invoice-march.pdf")
    await expect(card.locator(".result blockquote")).to_contain_text("Acme delivered forty chairs in March.")
    await screen.picture("installed")
    assert screen.complaints == []
