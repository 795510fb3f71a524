"""The whole of it without a mouse and without eyes: where the focus is, and what is read aloud."""

from __future__ import annotations

from playwright.async_api import expect

from tests.support.processes import run
from tests.support.world import ACCOUNT, PASSWORD, World
from tests.web_phone.screen import Screen


async def test_every_journey_goes_by_the_keyboard_alone_and_is_read_aloud(world: World, screen: Screen) -> None:
    page, folder = screen.page, world.folder / "files"
    message = page.get_by_label("Message to desk")
    newest = page.locator("article.task").last

    # Signing in.
    await screen.write(page.get_by_label("Service"), world.pairing_web)
    await screen.write(page.get_by_label("Account"), ACCOUNT)
    await screen.write(page.get_by_label("Password"), PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Computers")).to_be_focused()
    await screen.listen()

    # Pairing: each thing that replaces another has the focus.
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"))
    link = (await host.event("qr"))["link"]
    await screen.press(screen.button("Pair a computer"))
    await expect(page.get_by_role("heading", name="Pair a computer")).to_be_focused()
    await screen.press(screen.button("Scan with the camera"))
    await expect(screen.button("Stop the camera")).to_be_focused()
    await page.keyboard.press("Enter")
    await screen.write(page.get_by_label("Or paste the link"), link)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Does desk show the same number?")).to_be_focused()
    assert await page.locator("output.code").text_content() == (await host.event("code"))["code"]
    await screen.press(screen.button("Yes, the same"))
    await expect(page.get_by_role("heading", name="Now say yes on desk")).to_be_focused()
    await host.say("yes")
    await expect(page.get_by_role("heading", name="desk", exact=True)).to_be_focused()
    assert await host.ended() == 0
    code, events = await run("dispatch-host", "folders", "add", str(folder), "--write", "--home", world.home("desk"))
    assert code == 0, events
    await world.run_host("desk")
    await screen.connected()

    # A file comes, and how far it is.
    await screen.write(message, "Send me large.bin")
    await page.keyboard.press("Enter")
    await expect(message).to_be_focused()
    await screen.becomes(newest, "done")
    await screen.hears("Send me large.bin: done.")
    async with page.expect_download():
        await screen.press(screen.button("Get large.bin"))
    await expect(page.get_by_role("link", name="Save large.bin")).to_be_focused()
    await screen.hears("large.bin: 0 %", "large.bin is here.")

    # A question is read, answered, and leaves the focus on its task.
    await screen.write(message, f"sort {folder} into folders by type")
    await screen.press(screen.button("Send").last)
    await expect(message).to_be_focused()
    await screen.becomes(newest, "asking")
    await screen.hears("desk asks: Sort 2 files into 1 folder?")
    await screen.press(screen.button("Allow once"))
    await screen.becomes(newest, "done")
    await expect(newest).to_be_focused()
    await screen.hears("into folders by type: done.")

    # A refusal, with its cause; sent again, then deleted.
    code, events = await run("dispatch-host", "stop", "--home", world.home("desk"))
    assert code == 0, events
    await expect(page.locator("header .presence[data-standing=absent]")).to_be_visible()
    await screen.write(message, "What is new?")
    await page.keyboard.press("Enter")
    await screen.becomes(newest, "refused")
    await screen.hears("What is new?: refused. Dispatch is not running on the computer.")
    await screen.press(screen.button("Send again"))
    await expect(newest).to_be_focused()
    await screen.becomes(newest, "refused")
    await screen.press(screen.button("Delete"))
    await expect(page.get_by_role("log", name="Thread with desk")).to_be_focused()
    await expect(page.locator("article.task")).to_have_count(2)

    # The end: asked about in front of the answer that changes nothing.
    await screen.press(screen.button("Back"))
    await expect(page.get_by_role("heading", name="Computers")).to_be_focused()
    await screen.press(screen.button("Settings"))
    await expect(page.get_by_role("heading", name="Settings")).to_be_focused()
    await screen.press(screen.button("Unpair"))
    await expect(screen.button("No")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(screen.button("Unpair")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(screen.button("No")).to_be_focused()
    await screen.press(screen.button("Yes"))
    await expect(page.locator("[data-host]")).to_have_count(0)
    await expect(page.get_by_role("heading", name="Settings")).to_be_focused()
