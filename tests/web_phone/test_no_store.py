"""A browser that is told to store nothing: Chromium with all site data blocked, as a person sets it."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, async_playwright, expect

from tests.browser.conftest import FLAGS
from tests.support.waiting import DEADLINE_SECONDS
from tests.web_phone.screen import Screen

_BLOCKED = {"profile": {"default_content_setting_values": {"cookies": 2}}}


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """Give a phone whose browser lets no page store anything."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install chromium")
    chosen = tmp_path / "profile" / "Default"
    chosen.mkdir(parents=True)
    (chosen / "Preferences").write_text(json.dumps(_BLOCKED))
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=program, args=list(FLAGS), locale="en-US",
            viewport={"width": 390, "height": 780},
        )  # fmt: skip
        context.set_default_timeout(DEADLINE_SECONDS * 1_000)
        try:
            yield context
        finally:
            await context.close()


async def test_a_browser_that_stores_nothing_is_told_so_and_what_to_do(screen: Screen) -> None:
    await expect(screen.page.get_by_text("This browser lets the page store nothing.")).to_be_visible()
    await expect(screen.page.get_by_text("allow storage for this page")).to_be_visible()
    await screen.looks_right("no-store")
