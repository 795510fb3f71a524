"""From the relay's push to a person's tap: Chromium's worker shows it on the tests' own desktop, and hears what is tapped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.phone_site import PhoneSite
from tests.support.processes import Process, run
from tests.support.push_service import Browser
from tests.support.tray import Shown, Tray
from tests.support.waiting import DEADLINE_SECONDS, until, until_so
from tests.support.world import World
from tests.web_phone.pocket import Pocket, phone_that_notifies, world_that_calls
from tests.web_phone.screen import Screen

ONCE, DENY = "Allow once", "Don't allow"
_WORKER_SECONDS = 20
"""Longer than a worker tries to find out what is asked. After that it is over, and fixed words are all that it has shown."""
QUESTION = "What are the largest files?"


@pytest.fixture
async def world(tmp_path: Path, site: PhoneSite, subscription: Browser) -> AsyncIterator[World]:
    async with world_that_calls(tmp_path, site.origin, tmp_path / "push" / "authority.pem") as world:
        yield world


@pytest.fixture
async def context(tmp_path: Path, tray: Tray, site: PhoneSite, subscription: Browser) -> AsyncIterator[BrowserContext]:
    async with phone_that_notifies(tmp_path / "profile", site.origin, tray=tray, subscription=subscription) as context:
        yield context


async def together(world: World, screen: Screen, *, held: bool = False) -> Process:
    """Pair them and run the host; `held`: each task of it runs until it is let go."""
    (world.folder / "files" / "small.bin").unlink()  # what is asked of one file fits into a notification
    await screen.pair(world)
    host = await world.run_host("desk", env=world.held() if held else None)
    await screen.connected()
    return host


async def asks(world: World, pocket: Pocket) -> None:
    """Have a host that is held ask, while the phone is away, whether it may sort files; the push is brought to the worker."""
    card = await pocket.screen.send(f"sort {world.folder / 'files'} into folders by type")
    await pocket.screen.becomes(card, "running")
    await pocket.is_put_away(world)
    world.let_go()
    await pocket.is_brought()


async def is_asked(world: World, pocket: Pocket) -> Shown:
    """Do the same; gives the notification once it shows what is asked.

    Where a worker has come to nothing in its time, on a busy computer, the push is brought to it again.
    """
    await asks(world, pocket)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                async with asyncio.timeout(_WORKER_SECONDS):
                    return await pocket.tray.shows(lambda one: ONCE in one.actions)
            except TimeoutError:
                await pocket.brings(pocket.subscription.pushes[-1].text.decode())


def is_sorted(world: World) -> bool:
    return not (world.folder / "files" / "large.bin").exists()


async def test_a_push_is_shown_in_fixed_words_and_tapping_it_opens_the_task(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls()
    await screen.becomes(await screen.send(QUESTION), "running")
    await pocket.is_put_away(world)
    world.let_go()

    await pocket.is_brought()

    shown = await pocket.tray.shows(lambda one: True)
    assert (shown.title, shown.body, shown.actions) == ("Dispatch", "There is news from your computer.", {})
    page = await pocket.opens(shown)
    await expect(page.locator("article.task").filter(has_text=QUESTION)).to_have_attribute("data-state", "done")
    assert page.url == f"{screen.origin}/"  # which thread it is stands nowhere
    await pocket.tray.is_empty()


async def test_pushes_of_a_pairing_are_one_notification_and_its_thread_takes_it_away(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls()
    await screen.becomes(await screen.send(QUESTION), "running")
    second = await screen.send("What are the 3 largest files?")
    await screen.becomes(second, "waiting")  # what is on its way when the app is closed may not arrive
    await pocket.is_put_away(world)
    world.let_go()

    await until(lambda: sum(one.said["calls"] for one in pocket.subscription.pushes) == 2)
    await pocket.is_brought(len(pocket.subscription.pushes))
    await pocket.brings(pocket.subscription.pushes[-1].text.decode())  # a push service may bring one twice

    assert len(pocket.tray.shown) == 1
    await screen.open()
    await screen.page.get_by_role("button", name="desk").click()
    await pocket.tray.is_empty()


async def test_a_push_that_comes_while_somebody_looks_is_shown_by_the_worker_to_nobody(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen)
    await pocket.wants_calls()

    await pocket.brings_while_looked_at("question")

    # What it would have shown would be there before the one after it.
    await pocket.is_behind()
    await pocket.brings_call("news")
    assert [one.body for one in pocket.tray.ever] == ["There is news from your computer."]


async def test_in_quiet_hours_questions_come_through_and_news_wait(
    world: World, screen: Screen, pocket: Pocket, pictures: Path
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls()
    await screen.button("Back").click()
    await screen.button("Settings").click()
    now = datetime.now(UTC)
    await screen.page.get_by_label("Quiet hours").check()
    await screen.page.get_by_label("From").fill(f"{now - timedelta(hours=1):%H:%M}")
    await screen.page.get_by_label("To", exact=True).fill(f"{now + timedelta(hours=6):%H:%M}")
    await screen.looks_right("quiet-hours")
    await screen.page.get_by_role("button", name="Back").click()
    await screen.page.get_by_role("button", name="desk").click()
    await screen.connected()

    await asks(world, pocket)
    shown = await pocket.tray.shows(lambda one: one.body == "Your computer asks you something.")
    page = await pocket.opens(shown)
    await page.locator("[data-answer=once]").click()
    await expect(page.locator("article.task")).to_have_attribute("data-state", "done")
    assert is_sorted(world)
    world.hold_again()
    there = Screen(page, screen.origin, pictures)
    await there.becomes(await there.send(QUESTION), "running")
    await pocket.is_put_away(world, page)
    world.let_go()

    # The end of that task is a call that waits for the morning.
    await until_so(lambda: holds(world, "dispatch_relay_push_waiting", 1))
    assert [one.said["hint"] for one in pocket.subscription.pushes] == ["question"]


async def holds(world: World, sample: str, value: float) -> bool:
    return await world.sample(sample) == value


async def test_unless_the_person_chose_it_a_notification_shows_nothing_of_a_question(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls()

    await asks(world, pocket)

    shown = await pocket.tray.shows(lambda one: True)
    assert (shown.title, shown.body, shown.actions) == ("Dispatch", "Your computer asks you something.", {})
    page = await pocket.opens(shown)
    await expect(page.locator(".question")).to_contain_text("large.bin")
    await page.locator("[data-answer=deny]").click()
    await expect(page.locator(".question")).to_have_count(0)
    assert [one.actions for one in pocket.tray.ever] == [{}]


@pytest.mark.parametrize(("tapped", "state", "done"), [(ONCE, "done", True), (DENY, "denied", False)])
async def test_an_approval_is_answered_from_the_notification_while_the_app_is_closed(
    world: World, screen: Screen, pocket: Pocket, tapped: str, state: str, *, done: bool
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls(answers_there=True)

    shown = await is_asked(world, pocket)

    assert shown.title == "desk asks"
    assert "large.bin" in shown.body
    assert set(shown.actions) == {ONCE, DENY}
    await pocket.tray.tap(shown, tapped)
    await pocket.subscription.got(2)  # the end of the task
    await screen.open()
    await screen.page.get_by_role("button", name="desk").click()
    await screen.becomes(screen.page.locator("article.task"), state)
    assert is_sorted(world) is done
    await pocket.tray.is_empty()
    assert pocket.tray.ever[-1] == shown, "nothing was said of an answer that was taken"


async def test_an_approval_is_answered_through_a_page_that_has_the_device(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen)
    await pocket.wants_calls(answers_there=True)
    card = await screen.send(f"sort {world.folder / 'files'} into folders by type")
    await screen.becomes(card, "asking")
    await screen.page.evaluate("window.itself = true")
    await pocket.is_behind()
    await pocket.brings_question()

    shown = await pocket.tray.shows(lambda one: ONCE in one.actions)
    await pocket.tray.tap(shown, ONCE)

    async def decided() -> bool:
        return await card.get_attribute("data-state") == "done" or pocket.tray.ever[-1] != shown

    await until_so(decided)
    assert pocket.tray.ever[-1] == shown, "the answer did not get through"
    assert is_sorted(world)
    assert await screen.page.evaluate("window.itself"), "the page was there all the time"


async def test_an_answer_to_a_question_that_was_answered_meanwhile_does_nothing_and_says_so(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls(answers_there=True)
    shown = await is_asked(world, pocket)
    code, events = await run("dispatch-host", "questions", "--home", world.home("desk"))
    assert code == 0, events
    task = events[0]["task_id"]
    code, events = await run("dispatch-host", "answer", task, "deny", "--home", world.home("desk"))
    assert code == 0, events
    await pocket.subscription.got(2)

    await pocket.tray.tap(shown, ONCE)

    await pocket.tray.shows(lambda one: one.body.startswith("That was answered already"))
    assert not is_sorted(world)


async def test_without_a_network_an_answer_is_said_to_have_come_to_nothing(
    world: World, screen: Screen, pocket: Pocket
) -> None:
    await together(world, screen, held=True)
    await pocket.wants_calls(answers_there=True)
    shown = await is_asked(world, pocket)
    await world.relay.stop()

    await pocket.tray.tap(shown, ONCE)

    await pocket.tray.shows(lambda one: one.body.startswith("Your answer did not get through"))
    assert not is_sorted(world)


async def test_a_page_that_comes_takes_the_device_from_the_worker(world: World, screen: Screen, pocket: Pocket) -> None:
    await together(world, screen)
    await pocket.wants_calls(answers_there=True)
    await pocket.is_put_away(world)
    await world.relay.stop()  # so that the worker waits for a line
    # It has the device for as long as it waits, and no longer: that is looked for from the beginning.
    await asyncio.gather(pocket.brings_question(), pocket.borrows())

    await screen.open()

    await expect(screen.page.get_by_role("button", name="desk")).to_be_visible()
