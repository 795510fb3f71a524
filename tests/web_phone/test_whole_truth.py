"""What a thread says beside answers: words that were added, what was missed, why something failed, and what agents may do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from dispatch.words import ENGLISH, Language, Words
from playwright.async_api import Locator, expect

from tests.faults.clocks import Clocks, faketime
from tests.faults.network import Part
from tests.support.model_host import host, takes_model
from tests.support.model_server import Call, ModelServer, Say
from tests.support.world import World
from tests.web_phone.screen import Screen

GERMAN = Words.of(Language.GERMAN)
HOUR_SECONDS = 3600


async def together(world: World, screen: Screen) -> None:
    await screen.pair(world)
    await world.run_host("desk")
    await screen.connected()


class TestAddedWords:
    """More is said to a task whose agent takes words, and waits for an answer meanwhile."""

    @pytest.fixture
    async def server(self, world: World) -> AsyncIterator[ModelServer]:
        async with ModelServer() as server:
            await takes_model(world, server)
            yield server

    async def asks(self, world: World, screen: Screen, server: ModelServer) -> Locator:
        """Have a task come to its question; gives its card."""
        server.says(Say("I write.", [Call("write_file", {"file": "files/list.txt", "content": "milk\n"})]))
        await together(world, screen)
        card = await screen.send("make a list")
        await screen.becomes(card, "asking")
        return card

    async def add(self, screen: Screen, words: str) -> None:
        """Say more to the task that runs. The computer has it once the field is empty."""
        field = screen.page.get_by_label("Message to desk")
        await field.fill(words)
        await screen.button("Tell the running task").click()
        await expect(field).to_have_value("")

    async def test_the_agent_takes_them_and_the_card_says_so(
        self, world: World, screen: Screen, server: ModelServer
    ) -> None:
        card = await self.asks(world, screen, server)
        server.says(Say("Milk and eggs."))
        await screen.listen()

        await self.add(screen, "eggs as well")
        await card.locator("[data-answer=once]").click()

        await screen.becomes(card, "done")
        await expect(card.locator(".added")).to_have_text(ENGLISH.line("steered", text="eggs as well"))
        await expect(card.locator(".steps")).not_to_contain_text("eggs")
        await screen.hears(ENGLISH.line("steered", text="eggs as well"))
        await expect(screen.page.locator("article.task")).to_have_count(1)
        assert "eggs as well" in server.asked[-1].said
        await screen.looks_right("added")

    async def test_those_that_came_too_late_are_said_to_be_and_the_question_closed_with_its_task(
        self, world: World, screen: Screen, server: ModelServer
    ) -> None:
        card = await self.asks(world, screen, server)
        await screen.listen()

        await self.add(screen, "eggs as well")
        await card.get_by_role("button", name="Cancel").click()

        await screen.becomes(card, "cancelled")
        await expect(card.locator("p.state")).to_have_text(ENGLISH.states["cancelled"].word)  # the cause says the rest
        late = ENGLISH.line("steered_too_late", text="eggs as well")
        await expect(card.locator(".late")).to_have_text(late)
        await screen.hears(late, ENGLISH.states["cancelled"].word)
        why = ENGLISH.reasons["CANCELLED_BY_PERSON"].sentence
        await expect(card.locator(".answer")).to_have_text(ENGLISH.line("closed", why=why))
        await screen.looks_right("too-late")


async def reads_german(screen: Screen) -> None:
    """Choose German in the settings, and come back to the thread."""
    await screen.button("Back").click()
    await screen.button("Settings").click()
    await screen.page.get_by_label("Language").select_option("de")
    await screen.button("Zurück").click()
    await screen.page.get_by_role("button", name="desk").click()
    await expect(screen.page.locator("article.task").first).to_be_visible()


async def test_a_failure_is_said_once_and_in_the_persons_language(world: World, screen: Screen) -> None:
    await together(world, screen)
    folder = world.folder / "files"
    code, events = await host(world, "folders", "add", str(folder), "--write")
    assert code == 0, events
    card = await screen.send(f"sort {folder} into folders by type")
    await screen.becomes(card, "asking")
    code, events = await host(world, "folders", "remove", str(folder))
    assert code == 0, events
    await screen.becomes(card, "failed")
    english, german = ENGLISH.reasons["PERMISSION_TAKEN_BACK"], GERMAN.reasons["PERMISSION_TAKEN_BACK"]
    cause, said = card.locator("[data-reason=PERMISSION_TAKEN_BACK]"), card.locator(".said")
    await expect(cause).to_have_text(f"{english.sentence} {english.advice}")
    await expect(said).to_have_text(re.compile(r"^It was: .*files"))
    await expect(card.locator(".where")).to_contain_text("for desk")

    await reads_german(screen)

    await expect(cause).to_have_text(f"{german.sentence} {german.advice}")
    await expect(said).to_have_text(re.compile(r"^It was: .*files"))  # what a computer adds comes in English
    await expect(card).not_to_contain_text(english.sentence)
    await expect(card.locator(".where")).to_contain_text("für desk")
    await screen.looks_right("failed-in-german")


@pytest.mark.skipif(faketime() is None, reason="libfaketime is not on this machine")
async def test_what_the_computer_missed_stands_in_the_thread_with_the_cause(world: World, screen: Screen) -> None:
    await screen.pair(world)
    due = datetime.now().astimezone() + timedelta(seconds=HOUR_SECONDS)
    at = due.strftime("%Y-%m-%d %H:%M")
    code, events = await host(world, "schedule", "add", "--at", at, "What are the largest files?", "--for", "pocket")
    assert code == 0, events
    clocks = Clocks(world.folder)
    clocks.want(Part.HOST, wanted=True)
    clocks.set(Part.HOST, 2 * HOUR_SECONDS)

    await world.run_host("desk", env=clocks.environment(Part.HOST))

    mark = screen.page.locator("[data-mark=missed]")
    await expect(mark).to_contain_text("“What are the largest files?”")
    await expect(mark).to_contain_text(ENGLISH.reasons["RUN_MISSED"].sentence)
    await expect(screen.page.locator("article.task")).to_have_count(0)
    await screen.looks_right("missed")


async def test_what_recurs_is_refused_here_with_the_command_for_the_computer_and_the_words_stay(
    world: World, screen: Screen
) -> None:
    await together(world, screen)

    await screen.send("/Schedule every day: tidy up")

    trouble = screen.page.locator("[data-reason=SCHEDULE_ON_HOST]")
    await expect(trouble).to_contain_text("dispatch-host schedule add")
    await expect(screen.page.get_by_label("Message to desk")).to_have_value("/Schedule every day: tidy up")
    await screen.looks_right("schedule")
    await screen.becomes(await screen.send("/scheduler is down, what can you do?"), "failed")
    await expect(trouble).to_have_count(0)


async def test_what_agents_may_do_is_in_the_settings_and_follows_what_the_owner_permits(
    world: World, screen: Screen
) -> None:
    await together(world, screen)
    await screen.button("Back").click()
    await screen.button("Settings").click()
    permitted = screen.page.locator(".permitted")
    await permitted.locator("summary").click()
    await expect(permitted).to_contain_text(f"read {world.folder / 'files'}")

    code, events = await host(world, "permissions", "allow", "network", "--for", "2h")
    assert code == 0, events

    await expect(permitted).to_contain_text(f"{ENGLISH.page['may_network']}, until ")
    await screen.looks_right("permitted")
    await screen.page.get_by_label("Language").select_option("de")
    await expect(permitted).to_contain_text(GERMAN.page["may_network"])
    code, events = await host(world, "permissions", "revoke", "network")
    assert code == 0, events
    await expect(permitted).not_to_contain_text(GERMAN.page["may_network"])
