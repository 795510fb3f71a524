"""What an agent itself asks: a choice of its own words, and free words. An approval is in `test_journeys`."""

from __future__ import annotations

from playwright.async_api import expect

from tests.support.model_host import takes_model
from tests.support.model_server import Call, ModelServer, Say
from tests.support.world import World
from tests.web_phone.screen import Screen

_LINES = """
(buttons) => buttons.map((one) => {
  const range = document.createRange();
  range.selectNodeContents(one);
  return range.getClientRects().length;
})
"""  # JavaScript


async def test_a_choice_is_shown_in_the_agents_words_and_goes_on_with_what_is_chosen(
    world: World, screen: Screen
) -> None:
    for name in ("north", "south"):
        (world.folder / "files" / f"{name}.csv").write_text(f"place\nhead of {name}\n")
    await screen.together(world)

    card = await screen.send("show the top 5 rows of the csv")

    await screen.becomes(card, "asking")
    question = card.get_by_role("group", name="desk asks")
    south = question.get_by_role("button", name="files/south.csv")
    await expect(question.get_by_role("button")).to_have_text(["files/north.csv", "files/south.csv"])
    await screen.looks_right("choice", with_in_view=south)
    assert await question.get_by_role("button").evaluate_all(_LINES) == [1, 1], "a word is broken where there is room"
    await south.click()
    await screen.becomes(card, "done")
    await expect(card.locator(".result")).to_contain_text("head of south")
    await expect(card.locator(".answer")).to_have_text("pocket: files/south.csv")
    await expect(question).to_have_count(0)
    await screen.looks_right("chosen")


async def test_a_question_for_words_takes_what_is_typed(world: World, screen: Screen) -> None:
    async with ModelServer() as server:
        await screen.together(world)
        await takes_model(world, server)
        server.says(
            Say("", [Call("ask_person", {"question": "Whose birthday is it?"})]),
            lambda asked: Say(f"Noted. {asked.given[-1]}"),
        )

        card = await screen.send("plan the party")

        await screen.becomes(card, "asking")
        question = card.get_by_role("group", name="desk asks")
        await expect(question).to_contain_text("Whose birthday is it?")
        await screen.looks_right("question", with_in_view=question.get_by_role("button", name="Answer"))
        await question.get_by_label("Your answer").fill("Grace's")
        await question.get_by_role("button", name="Answer").click()
        await screen.becomes(card, "done")
        await expect(card.locator(".result")).to_contain_text("The person says: Grace's")
        await expect(card.locator(".answer")).to_have_text("pocket: Grace's")
