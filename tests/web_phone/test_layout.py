"""What is long or wide has its place on a small screen: a name without a space, the sizes of files, a table of many columns."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, expect

from tests.support.model_host import takes_model
from tests.support.model_server import ModelServer, Say
from tests.support.world import World
from tests.web_phone.looks import SIZES
from tests.web_phone.screen import Screen

LONG = "Schreibtischrechnerimarbeitszimmerunterdemdachganzhintenlinksohn"
WIDE = "\n".join(
    (
        "| " + " | ".join(f"Measurement{number}" for number in range(9)) + " |",
        "|" + "---|" * 9,
        "| " + " | ".join(f"{number * 1111}" for number in range(9)) + " |",
    )
)
# How far each column is beside the box that shows the table, in pixels, and into how many lines its numbers and words are broken.
_MEASURED = """
(box) => {
  const edge = box.getBoundingClientRect().right;
  const lines = (one) => { const range = document.createRange(); range.selectNodeContents(one); return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size; };
  return {
    beside: Object.fromEntries([...box.querySelectorAll('th')].map((one) => [one.textContent, one.getBoundingClientRect().right - edge])),
    lines: Math.max(...[...box.querySelectorAll('td')].filter((one) => one.querySelector('code') === null).map(lines)),
  };
}
"""  # noqa: E501 -- JavaScript


async def _measured(screen: Screen, table: Locator) -> list[dict[str, Any]]:
    """Measure a table in every size of the screen."""
    size = screen.page.viewport_size
    assert size is not None
    found = []
    for width, height in SIZES:
        await screen.page.set_viewport_size({"width": width, "height": height})
        found.append(await table.evaluate(_MEASURED))
    await screen.page.set_viewport_size(size)
    return found


async def test_a_long_name_and_the_sizes_of_files_are_within_the_thread(world: World, screen: Screen) -> None:
    assert len(LONG) == 64
    (world.folder / "files" / f"{LONG}.bin").write_bytes(b"x" * 3_000_000)
    host = await screen.together(world)
    await screen.becomes(await screen.send("What are the largest files?"), "done")
    await screen.button("Back").click()
    await screen.button("Settings").click()
    name = screen.page.get_by_label("Name", exact=True)
    await name.fill(" ")
    await screen.button("Rename").click()
    await expect(name).to_have_value("desk")  # without a name of its own it has the computer's again
    await name.fill(LONG)
    await screen.button("Rename").click()
    await screen.looks_right("long-name-settings")
    await screen.button("Back").click()
    await screen.looks_right("long-name-list")

    await screen.opens(LONG)

    await expect(screen.page.locator("article.task .where")).to_contain_text(LONG)
    await screen.looks_right("long-name")
    for measured in await _measured(screen, screen.page.locator(".result .scrolls")):
        assert measured["beside"]["Size"] <= 0, "the sizes are beside the card"
    await host.stop()
    await screen.stands("absent")
    notice = screen.page.locator(".notice .presence")
    header = await screen.page.locator("header .presence").last.inner_text()
    assert header.split(" (")[0] not in await notice.inner_text(), "the same is said twice"
    await screen.looks_right("long-name-closed")
    await screen.button("Back").click()
    await screen.button("Settings").click()
    await expect(screen.page.locator(".host-settings")).not_to_contain_text("awake")


async def test_a_table_of_many_columns_scrolls_in_its_card_and_no_number_is_broken(
    world: World, screen: Screen
) -> None:
    async with ModelServer() as server:
        await screen.together(world)
        await takes_model(world, server)
        server.says(Say(f"Here it is.\n\n{WIDE}\n"))

        card = await screen.send("compare the measurements")

        await screen.becomes(card, "done")
        for measured in await _measured(screen, card.locator(".scrolls")):
            assert max(measured["beside"].values()) > 0
            assert measured["lines"] == 1
        await screen.looks_right("wide-table")
