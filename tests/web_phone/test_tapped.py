"""A notification that is tapped opens the card that it was for, where the thread has others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, expect

from tests.support.phone_site import PhoneSite
from tests.support.push_service import Browser
from tests.support.tray import Tray
from tests.support.waiting import until_so
from tests.support.world import World
from tests.web_phone.pocket import Pocket, phone_that_notifies, world_that_calls
from tests.web_phone.screen import Screen

FIRST, SECOND = "What are the largest files?", "What can you do?"


@pytest.fixture
async def world(tmp_path: Path, site: PhoneSite, subscription: Browser) -> AsyncIterator[World]:
    async with world_that_calls(tmp_path, site.origin, tmp_path / "push" / "authority.pem") as world:
        yield world


@pytest.fixture
async def context(tmp_path: Path, tray: Tray, site: PhoneSite, subscription: Browser) -> AsyncIterator[BrowserContext]:
    async with phone_that_notifies(tmp_path / "profile", site.origin, tray=tray, subscription=subscription) as context:
        yield context


async def has_focus(screen: Screen, card: Locator) -> None:
    """Wait until it has; whatever window is in front."""

    async def has() -> bool:
        return await screen.has_focus(card)

    await until_so(has)


async def test_news_open_the_task_that_ended_and_not_the_last_of_the_thread(
    world: World, screen: Screen, pocket: Pocket, pictures: Path
) -> None:
    await screen.pair(world)
    await screen.stands("absent")  # so says the relay, once the phone is there: before, nothing would be sent
    await screen.becomes(await screen.send(FIRST), "refused")
    await world.run_host("desk", env=world.held())
    await screen.connected()
    world.let_go()
    await screen.becomes(await screen.send(SECOND), "done")
    world.hold_again()
    await pocket.wants_calls()
    first = screen.page.locator("article.task").filter(has_text=FIRST)
    await first.get_by_role("button", name="Send again").click()
    await screen.becomes(first, "running")
    await pocket.is_put_away(world)
    world.let_go()
    await pocket.is_brought()

    page = await pocket.opens(await pocket.tray.shows(lambda one: True))

    there = Screen(page, screen.origin, pictures)
    first, second = page.locator("article.task").filter(has_text=FIRST), page.locator("article.task").last
    await there.becomes(first, "done")
    await has_focus(there, first)
    await expect(first.locator(".words")).to_be_in_viewport()
    await expect(second).to_contain_text(SECOND)
    await there.looks_right("tapped-news")
    assert page.url == f"{screen.origin}/"  # what it was for stands nowhere
    assert there.complaints == []


async def test_a_question_opens_the_task_that_asks_also_in_a_page_that_is_there_already(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await screen.together(world)
    await pocket.wants_calls()
    asks = await screen.send(f"sort {world.folder / 'files'} into folders by type")
    await screen.becomes(asks, "asking")
    waits = await screen.send(SECOND)
    await screen.becomes(waits, "waiting")
    asks = screen.page.locator("article.task").first
    await pocket.is_behind()
    await pocket.brings_question()

    await pocket.tray.tap(await pocket.tray.shows(lambda one: True))

    await has_focus(screen, asks)
    await expect(asks.locator(".question .lead")).to_be_in_viewport()
    await expect(asks.locator("[data-answer=once]")).to_be_enabled()
    await screen.becomes(waits, "waiting")
    await asks.locator("[data-answer=deny]").click()
    await screen.becomes(asks, "denied")
    await expect(waits).not_to_have_attribute("data-state", "waiting")
