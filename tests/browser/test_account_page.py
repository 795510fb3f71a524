"""The account page as a person has it: in Chromium, with and without JavaScript, on a phone's screen and on a desktop's.

Whatever the browser complains of (an error, a violation of the content policy, a request that failed) fails the test.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import OUTCOME_CANCELLED, OUTCOME_FAILED, OUTCOME_UNSPECIFIED
from dispatch_pairing.listeners import WebListener
from playwright.async_api import Browser, Page, expect

from tests.support.account_page import LOOPBACK, kept, put_task
from tests.support.certificates import Certificates
from tests.support.pairing_device import PASSWORD, Code, Device
from tests.support.pairing_service import PairingService, with_limits
from tests.support.shared_chromium import downloaded
from tests.support.waiting import DEADLINE_SECONDS

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

# Gives every text whose colours are too close (WCAG 2.2, 1.4.3), every field without a name, every overflow to the side.
FAULTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faults = [];
  for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${one.textContent.trim()}`);
  }
  for (const one of document.querySelectorAll("input:not([type=hidden])"))
    if (!one.labels.length) faults.push(`no label: ${one.name}`);
  for (const one of document.querySelectorAll("a:not(.skip), button"))
    if (one.getBoundingClientRect().right > innerWidth) faults.push(`cut off: ${one.textContent}`);
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`too wide: ${document.documentElement.scrollWidth}`);
  return faults;
}"""


@dataclass(slots=True)
class World:
    """A service with an account in which something has happened."""

    service: PairingService
    host: Device
    phone: Device
    code: Code


@asynccontextmanager
async def world(folder: Path, *, web: WebListener = LOOPBACK) -> AsyncIterator[World]:
    """Make one."""
    async with PairingService(folder / "pairing", web=web, limits=with_limits(web_tasks=4)) as service:
        await service.add_account("ada")
        host, phone = await service.host("Ada's desk"), await service.phone("Pocket phone")
        tablet = await service.phone("A tablet with quite a long name, as people give to their tablets")
        await service.paired(host, phone)
        await service.paired(host, tablet)
        code = service.code()
        await host.create_offer(code)
        await phone.claim(code)
        made: list[dict[str, Any]] = [
            {},
            {"accepted": False, "reason": Reason.REASON_HOST_ASLEEP},
            {"outcome": OUTCOME_FAILED, "reason": Reason.REASON_AGENT_FAILED, "took_ms": 4_000},
            {"outcome": OUTCOME_CANCELLED, "reason": Reason.REASON_CANCELLED_BY_PERSON, "took_ms": 5_400_000},
            {"outcome": OUTCOME_UNSPECIFIED},
            {"took_ms": 300},
        ]
        for number, what in enumerate(made, start=1):
            await put_task(service, number, host=host, phone=phone, **what)
        await service.advance(40_000)
        yield World(service=service, host=host, phone=phone, code=code)


@dataclass(slots=True)
class Person:
    """Somebody at a browser: what they see is photographed, what the browser complains of is kept."""

    page: Page
    pictures: Path
    javascript: bool
    complaints: list[str] = field(default_factory=list)
    _taken: int = 0

    def listen(self) -> None:
        """Keep what the browser complains of. That a form was refused is no complaint of this kind."""
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda failure: self.complaints.append(str(failure)))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "the server responded with a status of" not in text:
            self.complaints.append(text)

    async def look(self, name: str) -> None:
        """Check what can be measured, and take a picture of the whole page if anybody wants to look."""
        self._taken += 1
        await self.page.wait_for_load_state()  # a page is there before its style is
        if self.pictures.is_dir():
            await self.page.screenshot(path=self.pictures / f"{self._taken:02}-{name}.png", full_page=True)
        if self.javascript:
            assert await self.page.evaluate(FAULTS) == []

    async def click(self, name: str, role: Any = "link") -> None:
        """Click what is called so."""
        await self.page.get_by_role(role, name=name, exact=True).click()

    async def sign_in(self, password: str = PASSWORD) -> None:
        """Fill in the form and send it."""
        await self.page.get_by_label("Account").fill("ada")
        await self.page.get_by_label("Password").fill(password)
        await self.click("Sign in", "button")

    async def reads(self, text: str) -> None:
        """Wait until the main part of the page says so."""
        await expect(self.page.get_by_role("main")).to_contain_text(text)


@asynccontextmanager
async def person(
    chromium: Browser, at: str, pictures: Path, *, javascript: bool = True, size: Any = DESKTOP, dark: bool = False
) -> AsyncIterator[Person]:
    """Sit somebody down at a browser."""
    context = await chromium.new_context(
        base_url=at,
        java_script_enabled=javascript,
        viewport=size,
        color_scheme="dark" if dark else "light",
        ignore_https_errors=True,
    )
    context.set_default_timeout(DEADLINE_SECONDS * 1_000)
    someone = Person(page=await context.new_page(), pictures=pictures, javascript=javascript)
    someone.listen()
    try:
        yield someone
    finally:
        await context.close()
    assert someone.complaints == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with-javascript", "without-javascript"])
@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (DESKTOP, True)], ids=["phone-light", "desktop-dark"])
async def test_a_person_does_everything_there_is_to_do(
    chromium: Browser, tmp_path: Path, pictures: Path, *, javascript: bool, size: Any, dark: bool
) -> None:
    async with (
        world(tmp_path) as ada,
        person(
            chromium, f"http://{ada.service.running.web}", pictures, javascript=javascript, size=size, dark=dark
        ) as her,
    ):
        await her.page.goto("/")
        await her.look("sign-in")
        await her.sign_in("wrong horse")
        await expect(her.page.get_by_role("alert")).to_have_text(
            "Account and password do not fit. Check both and try again."
        )
        await her.look("wrong-password")
        await her.sign_in()

        await expect(her.page).to_have_title("Devices · Dispatch")
        await her.look("devices")
        await her.click("Rename Pocket phone")
        await her.reads("New name")
        await her.look("rename")
        await her.page.get_by_label("New name").fill("Hand phone")
        await her.click("Rename", "button")
        await expect(her.page.get_by_role("status")).to_have_text("The device has its new name.")
        await her.look("renamed")

        await her.click("Revoke A tablet with quite a long name, as people give to their tablets")
        await her.reads("it is no longer paired with Ada's desk")
        await her.look("revoke")
        await her.click("Keep it")
        await her.click("Revoke A tablet with quite a long name, as people give to their tablets")
        await her.click("Revoke it", "button")
        await expect(her.page.get_by_role("status")).to_contain_text("The device is revoked.")
        await her.look("revoked")

        await her.click("Requests")
        await her.reads("Hand phone has scanned the code.")
        await her.look("requests")
        await her.click("Refuse the pairing request of Ada's desk", "button")
        await expect(her.page.get_by_role("status")).to_have_text("The pairing request is refused.")
        await her.look("refused")
        assert (await ada.host.told(ada.code))[-1] == "ended PAIRING_REFUSED"

        await her.click("Tasks")
        await her.reads("No outcome yet")
        await her.look("tasks")
        await her.click("Older")
        await her.reads("The computer is asleep. It never ran.")
        await her.look("older-tasks")
        await her.click("Newest")

        await her.click("Account")
        await her.reads("Download it")
        await her.look("account")
        async with her.page.expect_download() as download:
            await her.click("Download it")
        exported = json.loads(await downloaded(await download.value, tmp_path))
        assert len(exported["tasks"]) == 6

        await her.click("Change the password")
        await her.reads("Leave it")
        await her.look("password")
        await her.click("Leave it")
        await her.click("Erase…")
        await her.reads("Erase the account ada?")
        await her.look("erase")
        await her.page.get_by_label("Your password").fill(PASSWORD)
        await her.click("Erase the account", "button")
        await her.reads("The account is erased")
        await her.look("erased")
        await her.sign_in()
        await expect(her.page.get_by_role("alert")).to_contain_text("Account and password do not fit.")


async def test_over_tls_a_browser_keeps_the_session(chromium: Browser, tmp_path: Path, pictures: Path) -> None:
    web = WebListener(Address.parse("127.0.0.1:0"), Certificates(tmp_path).server())
    async with (
        world(tmp_path, web=web) as ada,
        person(chromium, f"https://{ada.service.running.web}", pictures) as her,
    ):
        await her.page.goto("/")
        await her.sign_in()
        await expect(her.page).to_have_title("Devices · Dispatch")
        (cookie,) = await her.page.context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
            "__Host-dispatch",
            True,
            True,
            "Strict",
        )
        await her.click("Sign out", "button")
        await her.reads("You are signed out here.")


async def test_by_keyboard_alone(chromium: Browser, tmp_path: Path, pictures: Path) -> None:
    async with (
        world(tmp_path) as ada,
        person(chromium, f"http://{ada.service.running.web}", pictures) as her,
    ):
        await her.page.goto("/")
        for key in ("Tab", "Tab"):
            await her.page.keyboard.press(key)
        await her.page.keyboard.type("ada")
        await her.page.keyboard.press("Tab")
        await her.page.keyboard.type(PASSWORD)
        await her.page.keyboard.press("Enter")
        await expect(her.page).to_have_title("Devices · Dispatch")
        await her.page.wait_for_load_state()

        await her.page.keyboard.press("Tab")
        await expect(her.page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await her.look("skip")


@pytest.mark.parametrize("attack", ["form", "frame", "link"])
async def test_another_site_can_neither_send_forms_nor_show_the_page_in_itself(
    chromium: Browser, tmp_path: Path, pictures: Path, attack: str
) -> None:
    async with (
        world(tmp_path) as ada,
        person(chromium, f"http://{ada.service.running.web}", pictures) as her,
    ):
        web = ada.service.running.web
        await her.page.goto("/")
        await her.sign_in()
        await expect(her.page).to_have_title("Devices · Dispatch")
        there = f"http://{web}/devices/{ada.phone.id.hex()}/revoke"
        page = {
            "form": f'<form method="post" action="{there}"><button>win</button></form>',
            "frame": f'<iframe src="{there}"></iframe>',
            "link": f'<a href="http://{web}/devices"><button>win</button></a>',
        }[attack]
        # localhost and 127.0.0.1 are two sites, whatever the ports.
        evil = await her.page.context.new_page()
        await evil.route("http://localhost/**", lambda route: route.fulfill(content_type="text/html", body=page))
        await evil.goto("http://localhost/")
        if attack == "frame":
            await expect(evil.frame_locator("iframe").get_by_text("Revoke it")).to_have_count(0)
        else:
            await evil.get_by_text("win").click()
            await evil.wait_for_url(f"http://{web}/**")
            assert "Pocket phone" not in await evil.content()

        async with kept(ada.service) as repositories:
            assert await repositories.feed.since(0, limit=1) == []
        await her.page.reload()
        await expect(her.page).to_have_title("Devices · Dispatch")
