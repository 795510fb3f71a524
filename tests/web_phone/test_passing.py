"""What a running task shows in passing: text as it comes, and how far it is. The result repeats the text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.support.acp_desk import written_down
from tests.support.model_host import host
from tests.support.world import World
from tests.web_phone.screen import Screen

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not on this machine")

HALF = "The *first* half."
REST = "And the rest."


@pytest.fixture
async def world(world: World) -> World:
    """The host's owner wrote down an agent of their own and chose it."""
    (Path(world.home("desk")) / "agents.toml").write_text(written_down())
    for words in (
        ("permissions", "allow", "folder", str(world.folder / "files")),
        ("permissions", "allow", "terminal"),
        ("agent", "use", "acp:scripted"),
    ):
        code, events = await host(world, *words)
        assert code == 0, events
    return world


async def sends(screen: Screen, *steps: dict[str, Any]) -> Locator:
    """Have the agent do this; gives the card."""
    await screen.send(f"script:{json.dumps(steps)}")
    return screen.page.locator("article.task").first


async def test_text_and_progress_come_while_it_works_and_give_way_to_the_result(world: World, screen: Screen) -> None:
    goes_on = world.folder / "files" / "goes-on"
    await screen.together(world)
    await screen.listen()

    card = await sends(
        screen,
        {"plan": {"read": "completed", "write": "pending", "send": "pending"}},
        {"say": HALF},
        {"await": str(goes_on)},
        {"say": f"\n\n{REST}"},
    )

    await screen.becomes(card, "running")
    partial = card.get_by_label("Answer so far")
    await expect(partial).to_have_text("The first half.")
    await expect(partial.locator("em")).to_have_text("first")  # laid out already
    bar = card.get_by_role("progressbar", name="Plan")
    assert await bar.evaluate("({value, max}) => [value, max]") == [1, 3]
    await expect(card.locator(".steps summary")).to_have_text("1 step: Plan")
    await screen.looks_right("passing", with_in_view=bar)
    goes_on.touch()
    await screen.becomes(card, "done")
    result = card.locator(".result")
    await expect(result).to_contain_text("The first half.")
    await expect(result).to_contain_text(REST)
    await expect(partial).to_have_count(0)
    await expect(bar).to_have_count(0)
    heard = " | ".join(await screen.page.evaluate("window.heardByTest"))
    assert "first half" not in heard, "an answer is not read aloud piece by piece"


async def test_a_page_that_comes_in_the_middle_shows_what_comes_from_then_on_and_then_all_of_it(
    world: World, screen: Screen
) -> None:
    [first, second] = [world.folder / "files" / name for name in ("first", "second")]
    await screen.together(world)
    card = await sends(screen, {"say": HALF}, {"await": str(first)}, {"say": f"\n\n{REST}"}, {"await": str(second)})
    partial = card.get_by_label("Answer so far")
    await expect(partial).to_have_text("The first half.")

    await screen.page.reload()
    await screen.opens("desk")
    await screen.connected()
    await screen.becomes(card, "running")
    # Once the two have greeted each other anew: before that nothing comes in passing.
    await screen.becomes(await screen.send("and then?"), "waiting")
    first.touch()

    await expect(partial).to_have_text(REST)
    second.touch()
    await screen.becomes(card, "done")
    await expect(partial).to_have_count(0)
    await expect(card.locator(".result")).to_contain_text("The first half.")
    await expect(card.locator(".result")).to_contain_text(REST)
