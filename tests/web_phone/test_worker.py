"""The service worker: what it keeps, and how a new version comes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import BrowserContext, expect

from tests.support.phone_site import PhoneSite
from tests.support.waiting import until_so
from tests.web_phone.conftest import ROOT
from tests.web_phone.screen import Screen

_KEPT = "async () => (await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).length))).reduce((a, b) => a + b, 0)"  # noqa: E501


@pytest.fixture
def bundle(bundle: Path, tmp_path: Path) -> Path:
    """Give a copy, which a test may change."""
    return Path(shutil.copytree(bundle, tmp_path / "served"))


async def is_kept(screen: Screen) -> None:
    async def kept() -> bool:
        count: int = await screen.page.evaluate(_KEPT)
        return count > 5

    await until_so(kept)


async def is_served_by_the_worker(screen: Screen) -> None:
    """From here on a new version has to wait: one that no page is in the way of does not."""
    await until_so(lambda: screen.page.evaluate("navigator.serviceWorker.controller !== null"))


async def test_the_app_opens_without_its_server(screen: Screen, site: PhoneSite, context: BrowserContext) -> None:
    await is_kept(screen)
    await context.set_offline(offline=True)

    await screen.page.reload()

    await expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_a_new_version_waits_until_the_person_takes_it(screen: Screen, bundle: Path) -> None:
    await is_kept(screen)
    await screen.page.reload()
    await is_served_by_the_worker(screen)
    publish(bundle, title="Dispatch, newer")

    await screen.page.evaluate("async () => (await navigator.serviceWorker.ready).update()")

    await expect(screen.page.get_by_text("A new version is ready")).to_be_visible()
    await screen.looks_right("new-version")
    await expect(screen.page).to_have_title("Dispatch")
    await screen.button("Use it now").click()
    await expect(screen.page).to_have_title("Dispatch, newer")


async def test_a_page_that_was_reloaded_past_the_worker_is_asked_all_the_same(
    screen: Screen, bundle: Path, context: BrowserContext
) -> None:
    await is_served_by_the_worker(screen)
    browser = await context.new_cdp_session(screen.page)
    async with screen.page.expect_event("load"):
        await browser.send("Page.reload", {"ignoreCache": True})

    await is_served_by_the_worker(screen)

    publish(bundle, title="Dispatch, newer")
    await screen.page.evaluate("async () => (await navigator.serviceWorker.ready).update()")
    await expect(screen.page.get_by_text("A new version is ready")).to_be_visible()
    await expect(screen.page).to_have_title("Dispatch")


async def test_a_file_that_is_not_the_published_one_keeps_the_old_version(screen: Screen, bundle: Path) -> None:
    await is_kept(screen)
    await screen.page.reload()
    await is_served_by_the_worker(screen)
    publish(bundle, title="Dispatch, newer")
    page = bundle / "index.html"
    page.write_text(page.read_text().replace("newer", "other"))

    await screen.page.evaluate("async () => (await navigator.serviceWorker.ready).update().catch(() => null)")
    await screen.page.evaluate(
        """async () => {
            const {installing, waiting} = await navigator.serviceWorker.ready;
            const worker = installing ?? waiting;
            await new Promise((done) => {
                if (worker === null || worker.state === 'redundant') done();
                else worker.addEventListener('statechange', () => { if (worker.state !== 'installing') done(); });
            });
        }"""
    )

    await screen.page.reload()
    await expect(screen.page).to_have_title("Dispatch")
    await expect(screen.page.get_by_text("A new version is ready")).to_have_count(0)


async def test_a_browser_finds_it_installable_with_icons_as_large_as_they_say(
    screen: Screen, bundle: Path, context: BrowserContext
) -> None:
    await is_kept(screen)
    devtools = await context.new_cdp_session(screen.page)

    said = await devtools.send("Page.getAppManifest")
    found = await devtools.send("Page.getInstallabilityErrors")

    assert said["errors"] == []
    # A browser offers no installing in a window that keeps nothing, which is what tests have.
    assert [one["errorId"] for one in found["installabilityErrors"]] in ([], ["in-incognito"])
    icons = json.loads(said["data"])["icons"]
    assert {(one["sizes"], one["purpose"]) for one in icons} >= {
        ("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")
    }  # fmt: skip
    for one in icons:
        if one["type"] == "image/png":
            with Image.open(bundle / one["src"]) as picture:
                assert "{}x{}".format(*picture.size) == one["sizes"]


def test_the_digest_is_what_anybody_computes_from_the_files(bundle: Path) -> None:
    said = json.loads((bundle / "bundle.json").read_text())["digest"]
    command = "find . -type f ! -name bundle.json | cut -c3- | LC_ALL=C sort | xargs sha256sum | sha256sum"
    assert command in (ROOT / "docs" / "web-phone.md").read_text()
    computed = subprocess.run(["sh", "-c", command], cwd=bundle, capture_output=True, text=True, check=True)
    assert computed.stdout.split()[0] == said


def publish(bundle: Path, *, title: str) -> None:
    """Put another version there, as a build does."""
    page = bundle / "index.html"
    page.write_text(page.read_text().replace("<title>Dispatch</title>", f"<title>{title}</title>"))
    source = ROOT / "clients" / "web_phone" / "scripts" / "finish.js"
    subprocess.run(["node", str(source), str(bundle)], check=True, capture_output=True)
