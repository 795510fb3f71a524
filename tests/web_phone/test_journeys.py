"""What a person does with the web phone, from the first page to the result."""

from __future__ import annotations


from playwright.async_api import expect

from tests.support.world import World
from tests.web_phone.screen import Screen




async def test_a_person_signs_in_pairs_sends_and_reads_the_result(world: World, screen: Screen) -> None:
    await screen.picture("sign-in")
    await screen.pair(world)
    await screen.picture("paired")
    await world.run_host("desk")
    await screen.connected()

    card = await screen.send("What are the largest files?")

    await screen.becomes(card, "done")
    rows = card.locator(".result tbody tr")
    await expect(rows.first).to_contain_text("large.bin")
    await screen.picture("done")
