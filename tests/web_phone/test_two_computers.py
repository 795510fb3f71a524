"""A phone with two computers, and another phone of the same account beside it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.processes import run
from tests.support.world import World
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"


@pytest.fixture
async def both(world: World, screen: Screen) -> None:
    """Pair with the hosts "desk", which may sort its files, and "study", and run them. The thread of "study" is open."""
    files = world.folder / "files"
    await world.sign_in("dispatch-host", "study")
    for words in (("desk", "--write"), ("study",)):
        code, events = await run(
            "dispatch-host", "folders", "add", str(files), *words[1:], "--home", world.home(words[0])
        )
        assert code == 0, events
    await screen.together(world)
    await screen.button("Back").click()
    await screen.pair_with(world, "study")
    await world.run_host("study")
    await screen.connected()


@pytest.mark.usefixtures("both")
async def test_each_computer_has_its_own_thread_and_what_is_sent_goes_to_the_one_that_is_named(
    world: World, screen: Screen
) -> None:
    cards = screen.page.locator("article.task")
    card = await screen.send(QUESTION, to="study")
    await screen.becomes(card, "done")
    await expect(card.locator(".where")).to_contain_text("study")
    await screen.button("Back").click()
    await expect(screen.page.locator("button.host .name")).to_have_text(["desk", "study"])
    await screen.looks_right("two-computers")

    await screen.opens("desk")

    await expect(screen.page.get_by_label("Message to study")).to_have_count(0)
    await expect(cards).to_have_count(0)
    card = await screen.send("What are the 3 largest files?")
    await screen.becomes(card, "done")
    await expect(card.locator(".where")).to_contain_text("desk")
    asked = {}
    for host in ("desk", "study"):
        _, thread = await run("dispatch-host", "thread", "--home", world.home(host))
        asked[host] = [event["text"] for event in thread if event.get("event") == "accepted"]
    assert asked == {"desk": ["What are the 3 largest files?"], "study": [QUESTION]}
    # One that goes takes nothing from the other.
    code, events = await run("dispatch-host", "stop", "--home", world.home("study"))
    assert code == 0, events
    await screen.button("Back").click()
    standings = screen.page.locator("button.host .presence")
    await expect(standings.nth(1)).to_have_attribute("data-standing", "absent")
    await expect(standings.nth(0)).to_have_attribute("data-standing", "reachable")


@pytest.mark.usefixtures("both")
async def test_a_computer_that_asks_is_marked_while_another_one_is_looked_at_until_it_is_answered(
    world: World, screen: Screen
) -> None:
    await screen.button("Back").click()
    await screen.opens("desk")
    await screen.becomes(await screen.send(f"sort {world.folder / 'files'} into folders by type"), "asking")
    await screen.button("Back").click()
    await expect(screen.page.locator("button.host").first.locator(".badge")).to_have_text("asks you")
    await screen.looks_right("one-asks")
    await screen.opens("study")

    await screen.page.set_viewport_size({"width": 1024, "height": 768})  # computers stand beside the thread

    desk = screen.page.locator("button.host").first
    await expect(desk.locator(".badge")).to_have_text("asks you")
    await screen.looks_right("asked-by-the-other")
    await desk.click()
    await screen.page.locator("[data-answer=deny]").click()
    await expect(desk.locator(".badge")).to_have_count(0)


@pytest.mark.usefixtures("both")
async def test_a_computer_that_is_renamed_has_that_name_wherever_it_is_named(screen: Screen) -> None:
    await screen.becomes(await screen.send(QUESTION, to="study"), "done")
    await screen.button("Back").click()
    await screen.button("Settings").click()
    study = screen.page.locator("[data-host=study]")
    await study.get_by_label("Name", exact=True).fill("Attic")

    await study.get_by_role("button", name="Rename").click()

    await screen.looks_right("two-computers-in-settings")
    await screen.button("Back").click()
    await expect(screen.page.locator("button.host .name")).to_have_text(["desk", "Attic"])
    await screen.page.reload()
    await screen.opens("Attic")
    card = await screen.send("What are the 3 largest files?", to="Attic")
    await screen.becomes(card, "done")
    await expect(screen.page.locator("article.task .where").first).to_contain_text("Attic")


async def test_another_phone_of_the_account_keeps_its_words_to_itself_and_what_waits_for_it_says_so(
    world: World, screen: Screen
) -> None:
    files = world.folder / "files"
    code, events = await run("dispatch-host", "folders", "add", str(files), "--write", "--home", world.home("desk"))
    assert code == 0, events
    await screen.pair(world)
    await world.sign_in("dispatch-phone", "other")
    await world.pair("desk", "other")
    await world.run_host("desk")
    await screen.connected()
    sending = await world.start(
        "dispatch-phone", "send", f"sort {files} into folders by type", "--home", world.home("other")
    )
    asking = await sending.event("asking")

    card = await screen.send(QUESTION)

    await screen.becomes(card, "waiting")
    await expect(card.locator(".waits")).to_contain_text("another phone")
    await expect(screen.page.locator("article.task")).to_have_count(1)
    await expect(screen.page.locator(".question")).to_have_count(0)
    await screen.looks_right("waits-for-another-phone")
    code, events = await run("dispatch-phone", "answer", asking["task_id"], "deny", "--home", world.home("other"))
    assert code == 0, events
    await screen.becomes(card, "done")
    await expect(screen.page.locator("article.task")).to_have_count(1)
