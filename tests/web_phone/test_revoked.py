"""What the web phone says and keeps when one of the two devices is revoked, and how both come back."""

from __future__ import annotations

from playwright.async_api import expect

from tests.support.processes import run
from tests.support.waiting import until_so
from tests.support.world import World
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"
# Which of the pairings that are kept still have their key.
_KEYS = """
async () => {
  const asked = (request) => new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = failed;
  });
  const database = await asked(indexedDB.open('dispatch'));
  const pairings = await asked(database.transaction('pairings').objectStore('pairings').getAll());
  database.close();
  return pairings.map(({agreeKey}) => agreeKey !== null);
}
"""  # JavaScript


async def keeps_keys(screen: Screen) -> list[bool]:
    kept: list[bool] = await screen.page.evaluate(_KEYS)
    return kept


async def revoke(world: World, device: str) -> None:
    code, events = await run("dispatch-host", "revoke", device, "--yes", "--home", world.home("desk"))
    assert code == 0, events


async def test_a_phone_that_is_revoked_says_so_in_a_new_page_too_and_what_was_said_stays(
    world: World, screen: Screen
) -> None:
    await screen.together(world)
    await screen.becomes(await screen.send(QUESTION), "done")

    await revoke(world, "pocket")

    await screen.stands("over")
    notice = screen.page.locator(".notice .presence")
    await expect(notice).to_have_text("This device was revoked. Sign in and pair again.")
    await expect(screen.page.get_by_label("Message to desk")).to_have_count(0)
    await screen.looks_right("revoked")
    await screen.page.reload()
    await screen.opens("desk")
    await expect(notice).to_have_text("This device was revoked. Sign in and pair again.")
    await expect(screen.page.locator("article.task")).to_have_attribute("data-state", "done")


async def test_a_phone_that_was_revoked_signs_in_as_a_new_one_is_paired_again_and_keeps_what_was_said(
    world: World, screen: Screen
) -> None:
    await screen.together(world)
    await screen.becomes(await screen.send(QUESTION), "done")
    await revoke(world, "pocket")
    await screen.stands("over")
    assert await keeps_keys(screen) == [True]  # the relay alone is not believed

    await screen.button("Sign in").click()
    await expect(screen.page.locator("[data-reason=DEVICE_REVOKED]")).to_contain_text("This device was revoked")
    await screen.looks_right("sign-in-of-a-revoked-device")
    await screen.sign_in_again()

    assert await keeps_keys(screen) == [False]
    await screen.button("Back").click()
    await screen.pair_with(world, "desk")
    await screen.connected()
    await screen.becomes(await screen.send("What are the 3 largest files?"), "done")
    await expect(screen.page.locator("article.task")).to_have_count(1)
    await screen.button("Back").click()
    both = screen.page.locator("button.host")
    await expect(both).to_have_count(2)
    await expect(both.first).to_contain_text("Pairing ended")
    await screen.looks_right("before-and-after")
    await both.first.click()
    await expect(screen.page.locator("article.task")).to_contain_text(QUESTION)


async def test_a_host_that_is_revoked_is_told_from_one_that_is_away_and_is_paired_again_into_the_same_thread(
    world: World, screen: Screen
) -> None:
    host = await screen.together(world)
    await screen.becomes(await screen.send(QUESTION), "done")

    await revoke(world, "desk")

    assert await host.ended() == 6
    notice = screen.page.locator(".notice .presence")
    await expect(notice).to_have_text("The computer no longer takes work from this phone. Pair the two again.")
    await screen.stands("over")
    await expect(screen.page.get_by_label("Message to desk")).to_have_count(0)
    await screen.looks_right("host-revoked")
    await screen.page.reload()
    await screen.opens("desk")
    await expect(notice).to_have_text("The computer no longer takes work from this phone. Pair the two again.")

    await world.sign_in("dispatch-host", "desk")
    await screen.button("Back").click()
    await screen.pair_with(world, "desk")
    await world.run_host("desk")
    await screen.connected()
    await screen.becomes(await screen.send("What are the 3 largest files?"), "done")
    await expect(screen.page.locator("article.task")).to_have_count(2)


async def test_a_host_that_ends_the_pairing_has_the_phone_drop_its_keys_and_say_why_in_a_new_page_too(
    world: World, screen: Screen
) -> None:
    await screen.together(world)
    assert await keeps_keys(screen) == [True]

    code, events = await run("dispatch-host", "unpair", "--home", world.home("desk"))

    assert code == 0, events
    await screen.stands("over")
    notice = screen.page.locator(".notice .presence")
    await expect(notice).to_have_text("The computer no longer takes work from this phone. Pair the two again.")

    async def dropped() -> bool:
        return await keeps_keys(screen) == [False]

    await until_so(dropped)
    await screen.page.reload()
    await screen.opens("desk")
    await expect(notice).to_have_text("The computer no longer takes work from this phone. Pair the two again.")
