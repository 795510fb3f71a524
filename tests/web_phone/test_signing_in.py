"""Signing out, being signed out from elsewhere, and signing in again: the thread is kept, and nothing is sent meanwhile."""

from __future__ import annotations

from playwright.async_api import expect

from tests.support.ports import address_to_come_back_to
from tests.support.processes import run
from tests.support.world import ACCOUNT, World
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"


async def test_who_signs_out_is_signed_out_in_a_new_page_too_and_finds_the_thread_when_signed_in_again(
    world: World, screen: Screen
) -> None:
    await screen.together(world)
    await screen.becomes(await screen.send(QUESTION), "done")
    await screen.button("Back").click()
    await screen.button("Settings").click()

    await screen.button("Sign out").click()

    await expect(screen.button("Sign in")).to_be_visible()
    await expect(screen.page.get_by_label("Account")).to_have_value(ACCOUNT)
    await expect(screen.page.get_by_label("Name of this phone")).to_have_value("pocket")
    await screen.looks_right("signed-out")
    await screen.page.reload()
    await expect(screen.page.get_by_label("Account")).to_have_value(ACCOUNT)
    await screen.sign_in_again()
    await screen.opens("desk")
    await screen.connected()
    await screen.becomes(screen.page.locator("article.task"), "done")
    await screen.becomes(await screen.send("What are the 3 largest files?"), "done")
    await expect(screen.page.locator("article.task")).to_have_count(2)


async def test_who_signs_out_before_anything_is_paired_is_not_shown_the_computers_in_a_new_page(
    world: World, screen: Screen
) -> None:
    await screen.sign_in(world)
    await screen.button("Settings").click()
    await screen.button("Sign out").click()
    await expect(screen.button("Sign in")).to_be_visible()

    await screen.page.reload()

    await expect(screen.button("Sign in")).to_be_visible()
    await expect(screen.page.get_by_text("No computer is paired")).to_have_count(0)


async def test_a_phone_that_was_signed_out_from_elsewhere_is_asked_to_sign_in_and_keeps_its_thread(
    world: World, screen: Screen
) -> None:
    await screen.together(world)
    await screen.becomes(await screen.send(QUESTION), "done")
    code, events = await run("dispatch-host", "logout", "--everywhere", "--home", world.home("desk"))
    assert code == 0, events

    await screen.page.reload()

    await expect(screen.button("Sign in")).to_be_visible()
    await expect(screen.page.locator("[data-reason=SIGN_IN_REQUIRED]")).to_contain_text("not signed in")
    await screen.looks_right("sign-in-required")
    await screen.sign_in_again()
    await screen.opens("desk")
    await screen.connected()
    await screen.becomes(screen.page.locator("article.task"), "done")
    await screen.becomes(await screen.send("What are the 3 largest files?"), "done")


async def test_a_password_that_is_wrong_says_so_and_what_was_typed_stays(world: World, screen: Screen) -> None:
    page = screen.page
    await page.get_by_label("Service").fill(world.pairing_web)
    await page.get_by_label("Account").fill(ACCOUNT)
    await page.get_by_label("Password").fill("not this one")

    await screen.button("Sign in").click()

    await expect(page.locator("[data-reason=SIGN_IN_FAILED]")).to_be_visible()
    await expect(page.get_by_label("Account")).to_have_value(ACCOUNT)
    await screen.looks_right("wrong-password")


async def test_an_address_where_no_service_answers_is_said_to_be_that(screen: Screen) -> None:
    page = screen.page
    await page.get_by_label("Account").fill(ACCOUNT)
    await page.get_by_label("Password").fill("whatever")
    own = screen.origin.partition("//")[2]
    for address in (address_to_come_back_to(), own):  # where nobody listens, and a server of pages
        await page.get_by_label("Service").fill(address)

        await screen.button("Sign in").click()

        said = page.locator("[data-reason=nobody]")
        await expect(said).to_contain_text(f"No Dispatch service answers at {address}.")
    await screen.looks_right("nobody-answers")


async def test_a_field_that_has_only_spaces_is_said_by_its_name_and_has_the_focus(screen: Screen) -> None:
    page = screen.page
    await page.get_by_label("Service").fill("pairing.example")
    await page.get_by_label("Account").fill("   ")
    await page.get_by_label("Password").fill("whatever")

    await screen.button("Sign in").click()

    await expect(page.locator("[data-lacks=account]")).to_contain_text("Account")
    await expect(page.get_by_label("Account")).to_be_focused()


async def test_a_link_that_is_wrong_stays_to_be_mended_and_one_cut_short_is_no_other_services(
    world: World, screen: Screen
) -> None:
    await screen.sign_in(world)
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"))
    link = (await host.event("qr"))["link"]

    await screen.paste(link[:-4])

    await expect(screen.page.locator("[data-reason=NOT_A_PAIRING_CODE]")).to_be_visible()
    field = screen.page.get_by_label("Or paste the link")
    await expect(field).to_have_value(link[:-4])
    await screen.looks_right("cut-short")
    await field.fill(link)
    await screen.button("Use the link").click()
    await screen.agree(host)
