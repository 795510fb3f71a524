"""The service worker: what it keeps, and how a new version comes."""

from __future__ import annotations

import hashlib
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

_LOSE = "async () => { for (const name of await caches.keys()) await caches.delete(name); }"
_SPOIL = """
async () => {
    const cache = await caches.open((await caches.keys())[0]);
    const page = (await cache.keys()).find(({url}) => url.endsWith('/index.html'));
    await cache.put(page, new Response('<title>Taken</title>', {headers: {'content-type': 'text/html'}}));
}
"""
_SAID = """
() => new Promise((said) => {
    const {port1, port2} = new MessageChannel();
    port1.onmessage = ({data}) => said(data);
    navigator.serviceWorker.controller.postMessage('digest', [port2]);
})
"""


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
    await until_so(lambda: screen.page.evaluate("navigator.serviceWorker.controller !== null"))


@pytest.fixture
async def served(screen: Screen) -> Screen:
    """Give the phone's screen with the app as its worker has it."""
    await is_served_by_the_worker(screen)
    await screen.page.reload()
    await is_served_by_the_worker(screen)
    return screen


async def is_offered(screen: Screen) -> None:
    """See that there is another version, and that the one that was there is the one that runs."""
    await expect(screen.page.get_by_text("A new version is ready")).to_be_visible()
    await expect(screen.page).to_have_title("Dispatch")


async def test_the_app_opens_without_its_server(screen: Screen, site: PhoneSite, context: BrowserContext) -> None:
    await is_served_by_the_worker(screen)
    await context.set_offline(offline=True)

    await screen.page.reload()

    await expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_a_new_version_waits_until_the_person_takes_it(served: Screen, bundle: Path) -> None:
    publish(bundle, title="Dispatch, newer")

    await served.page.reload()

    await is_offered(served)
    await served.looks_right("new-version")
    await served.button("Use it now").click()
    await expect(served.page).to_have_title("Dispatch, newer")
    await expect(served.page.get_by_text("A new version is ready")).to_have_count(0)
    assert await kept_versions(served) == 1


async def test_a_page_that_is_seen_again_after_a_while_looks_for_a_new_version(served: Screen, bundle: Path) -> None:
    publish(bundle, title="Dispatch, newer")

    # Playwright has every page think that it is seen: the browser's word for it is all that is missing.
    await served.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    await is_offered(served)
    await served.button("Later").click()
    await expect(served.page.get_by_text("A new version is ready")).to_have_count(0)


async def test_a_new_version_is_not_taken_by_closing_the_app(
    served: Screen, bundle: Path, context: BrowserContext, pictures: Path
) -> None:
    approved = digest_of(bundle)
    publish(bundle, title="Dispatch, newer")
    await served.page.reload()
    await is_offered(served)
    await served.button("Later").click()

    for _ in range(2):
        await the_browser_looks_for_news(served)
        await served.page.close()
        served = Screen(await context.new_page(), served.origin, pictures)
        await served.open()
        await is_offered(served)

    assert await kept_versions(served) == 1
    assert await said_digest(served) == approved != digest_of(bundle)


async def test_a_page_that_was_reloaded_past_the_worker_goes_back_to_the_version_that_was_taken(
    served: Screen, bundle: Path, context: BrowserContext
) -> None:
    publish(bundle, title="Dispatch, newer")
    browser = await context.new_cdp_session(served.page)

    await browser.send("Page.reload", {"ignoreCache": True})

    await is_offered(served)
    await is_served_by_the_worker(served)


async def test_a_page_goes_on_where_the_worker_is_kept_out_for_good(served: Screen, context: BrowserContext) -> None:
    browser = await context.new_cdp_session(served.page)
    await browser.send("Network.enable")
    await browser.send("Network.setBypassServiceWorker", {"bypass": True})

    await served.page.reload()

    await expect(served.button("Sign in")).to_be_visible()


async def test_a_file_that_is_not_the_published_one_keeps_the_old_version(served: Screen, bundle: Path) -> None:
    publish(bundle, title="Dispatch, newer")
    replace(bundle / "index.html", "newer", "other")
    await served.page.reload()
    await is_offered(served)

    await served.button("Use it now").click()

    await expect(served.page.get_by_text("could not be had whole")).to_be_visible()
    await served.looks_right("version-broken")
    await served.page.reload()
    await is_offered(served)
    assert await kept_versions(served) == 1


async def test_what_the_browser_lost_comes_again_from_the_server_if_it_is_the_same(served: Screen) -> None:
    await served.page.evaluate(_LOSE)

    await served.page.reload()

    await expect(served.button("Sign in")).to_be_visible()
    await is_served_by_the_worker(served)
    assert await served.page.evaluate(_KEPT) > 0


async def test_what_somebody_put_into_what_is_kept_is_not_given_out(served: Screen) -> None:
    await served.page.evaluate(_SPOIL)

    await served.page.reload()

    await expect(served.button("Sign in")).to_be_visible()
    await expect(served.page).to_have_title("Dispatch")


async def test_no_script_but_the_published_one_runs_when_the_browser_lost_it(served: Screen, bundle: Path) -> None:
    [script] = (bundle / "assets").glob("main-*.js")
    replace(script, "", "document.title = 'Taken';")
    await served.page.evaluate(_LOSE)

    await served.page.reload()

    # The page itself is the published one; what it names is not to be had.
    await expect(served.page.locator("#app")).to_be_attached()
    assert await served.page.evaluate(f"fetch('./assets/{script.name}').then(() => true, () => false)") is False
    await expect(served.page).to_have_title("Dispatch")


async def test_a_version_that_is_nowhere_any_more_is_replaced_when_the_person_says_so(
    served: Screen, bundle: Path, context: BrowserContext, pictures: Path
) -> None:
    publish(bundle, title="Dispatch, newer")
    await served.page.evaluate(_LOSE)

    await served.page.reload()

    await expect(served.page.get_by_text("no longer has the files of this version")).to_be_visible()
    await served.looks_right("gone")
    await served.page.close()
    served = Screen(await context.new_page(), served.origin, pictures)
    await served.open()
    await served.button("Use the server's version").click()
    await expect(served.page).to_have_title("Dispatch, newer")
    await expect(served.button("Sign in")).to_be_visible()
    await is_kept(served)


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


def test_the_worker_is_named_by_what_is_in_it(bundle: Path) -> None:
    [worker] = bundle.glob("worker*")
    assert worker.name == f"worker-{hashlib.sha256(worker.read_bytes()).hexdigest()}.js"
    before = worker.name

    publish(bundle, title="Dispatch, newer")

    [worker] = bundle.glob("worker*")
    assert worker.name == f"worker-{hashlib.sha256(worker.read_bytes()).hexdigest()}.js" != before
    assert json.loads((bundle / "bundle.json").read_text())["worker"] == worker.name


def digest_of(bundle: Path) -> str:
    digest: str = json.loads((bundle / "bundle.json").read_text())["digest"]
    return digest


async def said_digest(screen: Screen) -> str:
    """Ask the worker, as the settings do."""
    digest: str = await screen.page.evaluate(_SAID)
    return digest


async def kept_versions(screen: Screen) -> int:
    count: int = await screen.page.evaluate("async () => (await caches.keys()).length")
    return count


async def the_browser_looks_for_news(screen: Screen) -> None:
    """Have it do by itself what it does on its own now and then."""
    await screen.page.evaluate("async () => (await navigator.serviceWorker.ready).update().catch(() => null)")


def replace(file: Path, old: str, new: str) -> None:
    """Change a file that was published."""
    file.write_text(file.read_text().replace(old, new, 1))


def publish(bundle: Path, *, title: str) -> None:
    """Put another version there, as a build does."""
    replace(bundle / "index.html", "<title>Dispatch</title>", f"<title>{title}</title>")
    source = ROOT / "clients" / "web_phone" / "scripts" / "finish.js"
    subprocess.run(["node", str(source), str(bundle)], check=True, capture_output=True)
