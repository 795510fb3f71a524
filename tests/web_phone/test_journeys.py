"""What a person does with the web phone, from the first page to the end of a pairing."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.phone_site import PhoneSite
from tests.support.processes import Process, run
from tests.support.shared_chromium import downloaded
from tests.support.world import World
from tests.web_phone.camera import film
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"


async def together(world: World, screen: Screen) -> Process:
    """Pair them and run the host."""
    await screen.pair(world)
    host = await world.run_host("desk")
    await screen.connected()
    return host


async def stop(world: World, host: Process) -> None:
    code, events = await run("dispatch-host", "stop", "--home", world.home("desk"))
    assert code == 0, events
    assert await host.ended() == 0


async def test_a_person_signs_in_pairs_sends_and_reads_the_result(world: World, screen: Screen) -> None:
    await expect(screen.button("Sign in")).to_be_visible()
    await screen.looks_right("sign-in", with_in_view=screen.page.get_by_role("heading", name="Dispatch"))
    await together(world, screen)
    await screen.looks_right("nothing-sent-yet")

    card = await screen.send(QUESTION)

    await screen.becomes(card, "done")
    rows = card.locator(".result tbody tr")
    await expect(rows.first).to_contain_text("large.bin")
    await screen.looks_right("done")
    # The page talks to its own origin and to the two services, and to nobody else.
    assert {origin.partition("://")[2] for origin in screen.origins} <= {
        screen.origin.partition("://")[2], world.pairing_web, world.relay_web,
    }  # fmt: skip


class TestCamera:
    """Pairing by what the camera sees."""

    @pytest.fixture
    def camera_shows(self, tmp_path: Path) -> Path:
        return tmp_path / "camera.y4m"

    async def test_a_code_that_the_camera_sees_pairs(self, world: World, screen: Screen, camera_shows: Path) -> None:
        await screen.sign_in(world)
        picture = world.folder / "code.png"
        host = await world.start("dispatch-host", "pair", "--home", world.home("desk"), "--qr-png", str(picture))
        await host.event("qr")
        film(picture, camera_shows)

        await screen.button("Pair a computer").first.click()
        await screen.button("Scan with the camera").click()

        await screen.compare(host)
        await screen.button("Yes, the same").click()
        await screen.looks_right("yes-there-too")
        await host.say("yes")
        assert await host.ended() == 0
        await expect(screen.page.get_by_role("heading", name="desk")).to_be_visible()


async def test_a_number_that_is_refused_pairs_nothing(world: World, screen: Screen) -> None:
    await screen.sign_in(world)
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"))
    link = (await host.event("qr"))["link"]
    await screen.looks_right("no-computer")
    await screen.button("Pair a computer").first.click()
    await screen.looks_right("pair")
    await screen.button("Scan with the camera").click()
    await screen.looks_right("camera")
    await screen.button("Stop the camera").click()
    await screen.page.get_by_label("Or paste the link").fill(link)
    await screen.button("Use the link").click()
    await screen.compare(host)
    await screen.looks_right("compare", with_in_view=screen.button("Yes, the same"))

    await screen.button("Refuse").click()

    await expect(screen.page.locator("[data-reason=PAIRING_REFUSED]")).to_be_visible()
    await screen.looks_right("not-paired")
    await screen.button("Back").click()
    await expect(screen.page.get_by_text("No computer is paired")).to_be_visible()


async def test_a_link_in_the_address_is_gone_from_it_before_anything_is_asked(world: World, screen: Screen) -> None:
    await screen.sign_in(world)
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"))
    link = (await host.event("qr"))["link"]

    await screen.page.goto("about:blank")
    await screen.open(f"#{link}")

    await screen.agree(host)
    assert await screen.page.evaluate("location.href") == f"{screen.origin}/"
    assert link not in str(await screen.page.evaluate("JSON.stringify(history.state)"))


async def test_a_closed_host_refuses_with_the_cause_and_takes_it_when_the_person_sends_again(
    world: World, screen: Screen
) -> None:
    host = await together(world, screen)
    await stop(world, host)
    await expect(screen.page.locator("header .presence[data-standing=absent]")).to_be_visible()

    card = await screen.send(QUESTION)

    await screen.becomes(card, "refused")
    await expect(screen.page.locator(".notice")).to_have_count(0)  # the card says it, and what to do
    await expect(card.locator("[data-reason=HOST_APP_CLOSED]")).to_contain_text("Nothing was sent")
    await screen.looks_right("refused", with_in_view=card.get_by_role("button", name="Send again"))
    await world.run_host("desk")
    await screen.connected()
    await expect(card).to_have_attribute("data-state", "refused")
    await card.get_by_role("button", name="Send again").click()
    await screen.becomes(card, "done")
    await expect(screen.page.locator("article.task")).to_have_count(1)


async def test_without_a_network_nothing_is_sent_and_it_stays_so_in_a_new_page(
    world: World, screen: Screen, context: BrowserContext
) -> None:
    await together(world, screen)
    await context.set_offline(offline=True)
    await world.relay.stop()
    await expect(screen.page.locator("header .presence[data-standing=no_network]")).to_be_visible()

    card = await screen.send(QUESTION)

    await screen.becomes(card, "not_sent")
    await expect(screen.page.get_by_text("There is no network").first).to_be_visible()
    await screen.looks_right("nothing-was-sent")
    await screen.page.reload()  # from what the service worker keeps
    await screen.page.get_by_role("button", name="desk").click()
    await screen.becomes(screen.page.locator("article.task"), "not_sent")
    await screen.page.get_by_role("button", name="Delete").click()
    await expect(screen.page.locator("article.task")).to_have_count(0)


async def test_an_approval_is_shown_with_what_would_be_done_and_answered(world: World, screen: Screen) -> None:
    await together(world, screen)
    folder = world.folder / "files"
    code, events = await run("dispatch-host", "folders", "add", str(folder), "--write", "--home", world.home("desk"))
    assert code == 0, events

    card = await screen.send(f"sort {folder} into folders by type")

    await screen.becomes(card, "asking")
    await expect(card.locator(".question")).to_contain_text("large.bin")
    await expect(card.locator(".question .rule")).to_contain_text("“Allow for this task”, “Always allow” hold for: ")
    await screen.looks_right("approval", with_in_view=card.locator("[data-answer=deny]"))
    await card.locator("[data-answer=once]").click()
    await screen.becomes(card, "done")
    await expect(card.locator(".question")).to_have_count(0)
    assert not (folder / "large.bin").exists()


async def test_a_running_task_is_cancelled(world: World, screen: Screen) -> None:
    await screen.pair(world)
    await world.run_host("desk", env=world.held())
    await screen.connected()
    card = await screen.send(QUESTION)
    await screen.becomes(card, "running")

    await screen.looks_right("running")

    await card.get_by_role("button", name="Cancel").click()

    await screen.becomes(card, "cancelled")
    await screen.looks_right("cancelled")


async def test_a_task_that_waits_for_an_answer_names_the_one_that_asks(world: World, screen: Screen) -> None:
    await together(world, screen)
    folder = world.folder / "files"
    code, events = await run("dispatch-host", "folders", "add", str(folder), "--write", "--home", world.home("desk"))
    assert code == 0, events
    first = f"sort {folder} into folders by type"
    await screen.becomes(await screen.send(first), "asking")

    card = await screen.send(QUESTION)

    await screen.becomes(card, "waiting")
    await expect(card.locator(".waits")).to_contain_text("the task before it, “sort ")
    await screen.looks_right("waiting")


async def test_an_attachment_goes_and_an_artifact_comes_back_whole(world: World, screen: Screen) -> None:
    await together(world, screen)
    content = os.urandom(3_000_001)
    (world.folder / "files" / "large.bin").write_bytes(content)
    await screen.page.locator("input[type=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"one line\n" * 20_000}
    )
    attached = await screen.send("List attachments")
    await screen.becomes(attached, "done")
    await expect(attached.locator(".result")).to_contain_text("notes.txt")

    card = await screen.send("Send me large.bin")
    await screen.becomes(card, "done")
    async with screen.page.expect_download() as downloading:
        await card.get_by_role("button", name="Get large.bin").click()
    download = await downloading.value

    assert download.suggested_filename == "large.bin"
    got = await downloaded(download, world.folder)
    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()
    await screen.looks_right("files")


async def test_a_host_that_ends_the_pairing_is_said_and_what_was_said_stays(world: World, screen: Screen) -> None:
    await together(world, screen)
    await screen.becomes(await screen.send(QUESTION), "done")

    code, events = await run("dispatch-host", "unpair", "--home", world.home("desk"))

    assert code == 0, events
    await expect(screen.page.locator("header .presence[data-standing=over]")).to_be_visible()
    await expect(screen.page.get_by_label("Message to desk")).to_have_count(0)
    await screen.page.reload()
    await screen.page.get_by_role("button", name="desk").click()
    await expect(screen.page.locator("article.task")).to_have_attribute("data-state", "done")
    await screen.looks_right("over")


async def test_a_second_tab_does_not_take_the_device_unless_it_is_told_to(
    world: World, screen: Screen, context: BrowserContext, site: PhoneSite, pictures: Path
) -> None:
    await together(world, screen)
    other = await context.new_page()
    await other.goto(site.origin)
    await expect(other.get_by_text("open in another tab")).to_be_visible()
    await screen.connected()
    await Screen(other, site.origin, pictures).looks_right("elsewhere")

    await other.get_by_role("button", name="Use it here").click()

    await other.get_by_role("button", name="desk").click()
    await expect(screen.page.get_by_text("open in another tab")).to_be_visible()
    await expect(other.locator("header .presence[data-standing=reachable]")).to_be_visible()


async def test_settings_rename_speak_german_and_unpair(world: World, screen: Screen, site: PhoneSite) -> None:
    await together(world, screen)
    await screen.button("Back").click()
    await screen.looks_right("computers")
    await screen.button("Settings").click()
    said = json.loads((site.folder / "bundle.json").read_text())["digest"]
    await expect(screen.page.locator(".digest")).to_have_text(" ".join(re.findall(".{8}", said)))
    await screen.looks_right("settings")

    await screen.page.get_by_label("Name", exact=True).fill("Study")
    await screen.button("Rename").click()
    await screen.page.get_by_label("Language").select_option("de")
    await expect(screen.page.get_by_role("heading", name="Einstellungen")).to_be_visible()
    await screen.looks_right("einstellungen")
    await screen.button("Zurück").click()
    await expect(screen.page.get_by_role("button", name="Study")).to_be_visible()
    await screen.button("Einstellungen").click()
    await screen.button("Entkoppeln").click()
    await screen.looks_right("entkoppeln")
    await screen.button("Ja").click()

    await expect(screen.page.get_by_text("Noch ist kein Computer")).to_have_count(2)
