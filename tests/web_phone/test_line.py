"""The web phone over a line that is cut, stands still, or is slow: everything arrives once and whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.support.lateness import CALM
from tests.support.phone_site import PhoneSite
from tests.support.ports import address_to_come_back_to
from tests.support.processes import run
from tests.support.proxy import Proxy
from tests.support.shared_chromium import downloaded
from tests.support.waiting import until, until_so
from tests.support.world import World
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"
CONTENT = os.urandom(20_000_000)
# Every value that the bar there shows from here on, also one that comes later.
_WATCH_BARS = """
(where) => {
  window.shownByTest = [];
  const note = () => document.querySelectorAll(`${where} progress`).forEach(({value}) => {
    if (window.shownByTest.at(-1) !== value) window.shownByTest.push(value);
  });
  new MutationObserver(note).observe(document.body, {subtree: true, childList: true, attributes: true});
}
"""  # JavaScript
# A phone at the edge of its network: 100 kB a second, half a second to the services and back.
SLOW = {"offline": False, "latency": 500, "downloadThroughput": 100_000, "uploadThroughput": 100_000}


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Give what stands between browsers and the relay."""
    async with Proxy(address_to_come_back_to()) as proxy:
        yield proxy


@pytest.fixture
async def world(tmp_path: Path, site: PhoneSite, proxy: Proxy) -> AsyncIterator[World]:
    """Services whose relay browsers reach by the proxy only, and a host with one file."""
    async with World(tmp_path, relay_env=CALM) as world:
        await world.services_for_browsers(site.origin, web=str(proxy.target), advertise=proxy.address)
        files = world.folder / "files"
        files.mkdir()
        (files / "large.bin").write_bytes(CONTENT)
        await world.sign_in("dispatch-host", "desk")
        code, events = await run("dispatch-host", "folders", "add", str(files), "--home", world.home("desk"))
        assert code == 0, events
        yield world


def beginning_of(world: World) -> int:
    """Give how much the host has of the file that arrives there."""
    return sum(part.stat().st_size for part in Path(world.home("desk")).rglob("*.part"))


def arrived_at(world: World) -> bytes:
    """Give the digest of the file that has arrived there."""
    [arrived] = Path(world.home("desk")).rglob("given.bin")
    return hashlib.sha256(arrived.read_bytes()).digest()


async def is_under_way(bar: Locator) -> bool:
    return await bar.count() == 1 and bool(await bar.evaluate("(one) => one.value > 0 && one.value < one.max"))


async def shown(screen: Screen) -> list[float]:
    values: list[float] = await screen.page.evaluate("window.shownByTest")
    return values


async def test_a_thread_that_was_cut_goes_on_and_shows_everything_once(
    world: World, screen: Screen, proxy: Proxy
) -> None:
    await screen.together(world)
    await screen.becomes(await screen.send(QUESTION), "done")

    before = proxy.connections
    proxy.cut()
    await until(lambda: proxy.connections > before)
    await screen.connected()

    await screen.becomes(await screen.send("What are the 3 largest files?"), "done")
    await expect(screen.page.locator("article.task")).to_have_count(2)
    await expect(screen.page.locator("article.task .result")).to_have_count(2)
    await screen.looks_right("after-the-cut")


async def test_a_download_shows_how_far_it_is_stops_when_it_is_told_to_and_comes_whole_the_next_time(
    world: World, screen: Screen, proxy: Proxy
) -> None:
    await screen.together(world)
    card = await screen.send("Send me large.bin")
    await screen.becomes(card, "done")
    # The transfer's own connection carries so much, then nothing; the thread's does not come to that.
    proxy.most_chunks = proxy.chunks + 50

    await card.get_by_role("button", name="Get large.bin").click()

    bar = card.get_by_role("progressbar")
    await until(lambda: proxy.frozen_alone == 1)
    await until_so(lambda: is_under_way(bar))
    await screen.looks_right("download", with_in_view=bar)
    await card.get_by_role("button", name="Stop large.bin").click()
    await expect(bar).to_have_count(0)
    proxy.most_chunks = 0
    async with screen.page.expect_download() as downloading:
        await card.get_by_role("button", name="Get large.bin").click()
    got = await downloaded(await downloading.value, world.folder)
    assert hashlib.sha256(got).digest() == hashlib.sha256(CONTENT).digest()


async def test_a_download_that_is_cut_goes_on_by_itself_behind_what_is_here(
    world: World, screen: Screen, proxy: Proxy
) -> None:
    await screen.together(world)
    card = await screen.send("Send me large.bin")
    await screen.becomes(card, "done")
    proxy.most_chunks = proxy.chunks + 50
    async with screen.page.expect_download() as downloading:
        await card.get_by_role("button", name="Get large.bin").click()
        await until(lambda: proxy.frozen_alone == 1)
        await until_so(lambda: is_under_way(card.get_by_role("progressbar")))
        await screen.page.evaluate(_WATCH_BARS, ".artifact")
        proxy.most_chunks = 0

        proxy.cut()

    got = await downloaded(await downloading.value, world.folder)
    assert hashlib.sha256(got).digest() == hashlib.sha256(CONTENT).digest()
    values = await shown(screen)
    assert values == sorted(values), "what was here came again"
    assert values[0] > 0
    await expect(card.locator(".trouble")).to_have_count(0)


async def test_an_upload_that_is_cut_goes_on_by_itself_behind_what_is_there(
    world: World, screen: Screen, proxy: Proxy
) -> None:
    await screen.together(world)
    given = world.folder / "given.bin"
    given.write_bytes(CONTENT)
    await screen.page.locator("input[type=file]").set_input_files(given)
    proxy.most_chunks = proxy.chunks + 100
    card = await screen.send("List attachments")
    await until(lambda: proxy.frozen_alone == 1)
    await until(lambda: beginning_of(world) > 0)
    await screen.looks_right("upload", with_in_view=screen.page.get_by_role("progressbar"))
    await screen.page.evaluate(_WATCH_BARS, ".composer")
    there = beginning_of(world)
    proxy.most_chunks = 0

    proxy.cut()

    await screen.becomes(card, "done")
    await expect(card.locator(".result")).to_contain_text("given.bin")
    assert arrived_at(world) == hashlib.sha256(CONTENT).digest()
    assert min(await shown(screen)) >= 100 * there // len(CONTENT), "what was there went again"


async def test_a_slow_line_carries_a_whole_journey(world: World, screen: Screen, proxy: Proxy) -> None:
    (world.folder / "files" / "large.bin").write_bytes(CONTENT[:300_000])
    proxy.latency_seconds = 0.25
    devtools = await screen.page.context.new_cdp_session(screen.page)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", SLOW)
    await screen.open()

    await screen.together(world)
    asked = await screen.send(QUESTION)
    await screen.becomes(asked, "done")
    await expect(asked.locator(".result")).to_contain_text("large.bin")
    card = await screen.send("Send me large.bin")
    await screen.becomes(card, "done")
    async with screen.page.expect_download() as downloading:
        await card.get_by_role("button", name="Get large.bin").click()

    got = await downloaded(await downloading.value, world.folder)
    assert hashlib.sha256(got).digest() == hashlib.sha256(CONTENT[:300_000]).digest()
    await expect(screen.page.locator(".trouble")).to_have_count(0)
    await screen.looks_right("slow")
