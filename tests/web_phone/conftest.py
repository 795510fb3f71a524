"""A browser with the web phone in it, and a world for it: services that take browsers, and a host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.browser.conftest import FLAGS, folder_for_pictures
from tests.support.certificates import Certificates
from tests.support.lateness import CALM
from tests.support.phone_site import PhoneSite
from tests.support.power_end import private_bus
from tests.support.processes import run
from tests.support.push_service import Browser as Subscribed
from tests.support.push_service import PushService
from tests.support.shared_chromium import SharedChromium, chromium_program
from tests.support.tray import Tray
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World
from tests.web_phone.pocket import Pocket
from tests.web_phone.screen import Screen

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "clients" / "web_phone" / "dist"
CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="session")
def bundle() -> Path:
    """Give the bundle that `make phone-build` made."""
    if not (BUNDLE / "bundle.json").is_file():
        pytest.fail("the web phone is not built: make phone-build")
    return BUNDLE


@pytest.fixture
def site(bundle: Path) -> Iterator[PhoneSite]:
    with PhoneSite(bundle) as site:
        yield site


@pytest.fixture
async def world(tmp_path: Path, site: PhoneSite) -> AsyncIterator[World]:
    """Services that let the page's origin in, and a host that is signed in, with some files."""
    async with World(tmp_path, relay_env=CALM) as world:
        await world.services_for_browsers(site.origin)
        files = tmp_path / "files"
        files.mkdir()
        (files / "small.bin").write_bytes(b"x" * 10)
        (files / "large.bin").write_bytes(b"x" * 5_000_000)
        await world.sign_in("dispatch-host", "desk")
        code, events = await run("dispatch-host", "folders", "add", str(files), "--home", world.home("desk"))
        assert code == 0, events
        yield world


@pytest.fixture
def camera_shows() -> Path | None:
    """Give the video that the camera shows; None for a camera that nobody asks. Tests override it."""
    return None


@pytest.fixture(scope="session")
def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedChromium]:
    shared = SharedChromium(tmp_path_factory.mktemp("chromium"), [*FLAGS, *CAMERA])
    yield shared
    shared.end()


@pytest.fixture
async def chromium(shared_chromium: SharedChromium, camera_shows: Path | None) -> AsyncIterator[Browser]:
    """Give a browser: that of all tests, or one of its own whose camera shows something."""
    if camera_shows is None:
        async with shared_chromium.connected() as browser:
            yield browser
        return
    flags = [*FLAGS, *CAMERA, f"--use-file-for-fake-video-capture={camera_shows}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_program(), args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """Give a phone: a small screen, in English."""
    context = await chromium.new_context(viewport={"width": 390, "height": 780}, locale="en-US", accept_downloads=True)
    context.set_default_timeout(DEADLINE_SECONDS * 1_000)
    yield context
    await context.close()


@pytest.fixture
def pictures(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return folder_for_pictures(tmp_path, request.node.name)


@pytest.fixture
async def screen(context: BrowserContext, site: PhoneSite, pictures: Path) -> AsyncIterator[Screen]:
    """Give the phone's screen, opened."""
    screen = Screen(await context.new_page(), site.origin, pictures)
    await screen.open()
    yield screen
    assert screen.complaints == [], "the browser complained"


@pytest.fixture
async def subscription(tmp_path: Path) -> AsyncIterator[Subscribed]:
    """Give what the browser subscribes to, at a push service that runs."""
    async with PushService(Certificates(tmp_path / "push")) as service:
        yield service.subscribe()


@pytest.fixture
async def tray(tmp_path: Path) -> AsyncIterator[Tray]:
    async with private_bus(tmp_path) as bus:
        tray = Tray(bus)
        await tray.comes()
        yield tray


@pytest.fixture
async def pocket(screen: Screen, subscription: Subscribed, tray: Tray) -> Pocket:
    return Pocket(screen, subscription, tray)
