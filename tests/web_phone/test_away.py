"""A computer that goes while it has a task, a verdict that does not come, a page that was closed: what is shown, then and later."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.phone_site import PhoneSite
from tests.support.processes import run
from tests.support.waiting import until_so
from tests.support.world import World
from tests.web_phone.screen import Screen

QUESTION = "What are the largest files?"


async def ready(world: World, site: PhoneSite) -> None:
    """Start the services, and sign in a host that has files."""
    await world.services_for_browsers(site.origin)
    files = world.folder / "files"
    files.mkdir()
    (files / "large.bin").write_bytes(b"x" * 5_000)
    await world.sign_in("dispatch-host", "desk")
    code, events = await run("dispatch-host", "folders", "add", str(files), "--home", world.home("desk"))
    assert code == 0, events


class TestAlert:
    """A relay that soon notices who is gone."""

    @pytest.fixture
    async def world(self, tmp_path: Path, site: PhoneSite) -> AsyncIterator[World]:
        async with World(tmp_path, relay_env={"DISPATCH_RELAY_LEASE_MS": "5000"}) as world:
            await ready(world, site)
            yield world

    async def test_a_host_that_is_killed_at_a_task_is_out_of_contact_until_it_is_back_and_tells_what_became_of_it(
        self, world: World, screen: Screen
    ) -> None:
        host = await screen.together(world, held=True)
        card = await screen.send(QUESTION)
        await screen.becomes(card, "running")

        host.signal(signal.SIGKILL)

        await screen.becomes(card, "out_of_contact")
        await expect(card.locator("[data-reason=HOST_UNREACHABLE]")).to_contain_text("stopped answering")
        await expect(screen.page.locator(".main")).not_to_contain_text("send again")  # the host has it
        await expect(screen.page.locator(".notice")).to_have_count(0)  # the card says all of it
        await expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
        await screen.looks_right("out-of-contact", with_in_view=card.get_by_role("button", name="Stop waiting"))
        await card.get_by_role("button", name="Stop waiting").click()
        await screen.becomes(card, "dismissed")
        await expect(card.get_by_role("button")).to_have_count(0)
        await screen.looks_right("dismissed")
        await screen.page.reload()
        await screen.opens("desk")
        await screen.becomes(card, "dismissed")
        world.let_go()
        await world.run_host("desk")
        await screen.becomes(card, "interrupted")
        await expect(card.locator("[data-reason=HOST_DIED]")).to_be_visible()
        await expect(screen.page.locator("article.task")).to_have_count(1)
        await screen.looks_right("interrupted")

    async def test_a_host_that_comes_back_goes_on_with_the_task_that_it_had(self, world: World, screen: Screen) -> None:
        host = await screen.together(world, held=True)
        card = await screen.send(QUESTION)
        await screen.becomes(card, "running")
        host.signal(signal.SIGSTOP)
        await screen.becomes(card, "out_of_contact")

        host.signal(signal.SIGCONT)

        await screen.becomes(card, "running")
        await expect(card.locator("[data-reason=HOST_UNREACHABLE]")).to_have_count(0)
        world.let_go()
        await screen.becomes(card, "done")
        await expect(card.locator(".result")).to_have_count(1)


class TestPatient:
    """Services that take nobody for gone."""

    @pytest.fixture
    async def world(self, tmp_path: Path, site: PhoneSite) -> AsyncIterator[World]:
        patient = {"DISPATCH_RELAY_LEASE_MS": "60000", "DISPATCH_RELAY_RESTART_GRACE_MS": "60000"}
        async with World(tmp_path, relay_env=patient) as world:
            await ready(world, site)
            yield world

    async def test_a_task_whose_verdict_does_not_come_is_unconfirmed_and_then_what_the_host_did(
        self, world: World, screen: Screen, site: PhoneSite
    ) -> None:
        host = await screen.together(world)
        host.signal(signal.SIGSTOP)  # it takes nothing, so there is no verdict
        card = await screen.send(QUESTION)
        await screen.becomes(card, "handed_over")

        world.relay.signal(signal.SIGKILL)

        await screen.becomes(card, "unconfirmed")
        await expect(card).not_to_contain_text("Nothing was sent")
        await expect(card.get_by_role("button", name="Send again")).to_be_visible()
        await screen.looks_right("unconfirmed", with_in_view=card.get_by_role("button", name="Stop waiting"))
        await screen.page.reload()
        await screen.opens("desk")
        await screen.becomes(card, "unconfirmed")
        host.signal(signal.SIGCONT)
        await world.start_relay("--web", world.relay_web, "--web-origin", site.origin, listen=world.relay_address)
        # Taken in time or not, by how busy this computer is: what is shown is what the host did.
        await screen.connected()
        over = screen.page.locator("article.task:is([data-state=done], [data-state=refused], [data-state=interrupted])")
        await expect(over).to_have_count(1)
        _, thread = await run("dispatch-host", "thread", "--home", world.home("desk"))
        runs = [event for event in thread if event.get("event") == "started"]
        # Interrupted is what never started: its go came too late.
        assert len(runs) == (1 if await card.get_attribute("data-state") == "done" else 0)

    async def test_a_page_that_was_closed_shows_what_it_missed_though_the_host_is_gone_by_then(
        self, world: World, screen: Screen, context: BrowserContext, site: PhoneSite, pictures: Path
    ) -> None:
        host = await screen.together(world, held=True)
        await screen.becomes(await screen.send(QUESTION), "running")
        await screen.page.close()
        world.let_go()
        await until_so(lambda: told_the_end(world))
        code, events = await run("dispatch-host", "stop", "--home", world.home("desk"))
        assert code == 0, events
        assert await host.ended() == 0

        later = Screen(await context.new_page(), site.origin, pictures)
        await later.open()

        await later.opens("desk")
        card = later.page.locator("article.task")
        await later.becomes(card, "done")
        await expect(card.locator(".result")).to_contain_text("large.bin")
        await later.stands("absent")
        await expect(later.page.locator(".notice [data-standing=absent]")).to_contain_text("Start it there")
        await later.looks_right("what-was-missed")
        assert later.complaints == []


async def told_the_end(world: World) -> bool:
    """Tell whether the relay has heard how the task ended: it reports that to the account's history."""
    _, history = await run("dispatch-host", "history", "--home", world.home("desk"))
    return [event.get("outcome") for event in history] == ["done"]
