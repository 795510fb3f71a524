"""What a computer asks, on the screen: no answer that was not meant, and no yes to what can't be read."""

from __future__ import annotations

from playwright.async_api import expect

from tests.support.processes import run
from tests.support.world import World
from tests.web_phone.screen import Screen

# Whether each answer could be given when it got onto the page.
_APPEARING = """
() => {
  window.appeared = [];
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) {
      if (node instanceof Element) for (const one of node.querySelectorAll('[data-answer]')) window.appeared.push(!one.disabled);
    }
  }).observe(document.body, { childList: true, subtree: true });
}
"""


async def together(world: World, screen: Screen) -> None:
    """Pair them, with a host that may change its files once it is allowed to."""
    code, events = await run(
        "dispatch-host", "folders", "add", str(world.folder / "files"), "--write", "--home", world.home("desk")
    )
    assert code == 0, events
    await screen.pair(world)
    await world.run_host("desk")
    await screen.connected()


async def test_a_tap_that_was_meant_for_what_stood_there_before_answers_no_question(
    world: World, screen: Screen
) -> None:
    await together(world, screen)
    await screen.page.evaluate(_APPEARING)

    card = await screen.send(f"sort {world.folder / 'files'} into folders by type")

    await screen.becomes(card, "asking")
    await expect(card.locator("[data-answer=once]")).to_be_enabled()
    assert set(await screen.page.evaluate("window.appeared")) == {False}
    await card.locator("[data-answer=once]").click()
    await screen.becomes(card, "done")


async def test_yes_is_offered_only_once_all_of_what_would_be_done_is_in_the_page(world: World, screen: Screen) -> None:
    for number in range(4_000):
        (world.folder / "files" / f"{'a rather long name ' * 4}{number}.txt").write_bytes(b"x")
    await together(world, screen)

    card = await screen.send(f"sort {world.folder / 'files'} into folders by type")

    await screen.becomes(card, "asking")
    question = card.locator(".question")
    await expect(question.locator("[data-unread=more]")).to_be_visible()
    assert await question.locator("[data-answer]").evaluate_all("all => all.map(one => one.dataset.answer)") == ["deny"]
    await screen.looks_right("approval-too-long")
    await question.get_by_role("button", name="Show all of it").click()
    await expect(question.locator("[data-unread]")).to_have_count(0)
    await expect(question.locator(".preview")).to_contain_text("3999.txt")
    await question.locator("[data-answer=once]").click()
    await screen.becomes(card, "done")
