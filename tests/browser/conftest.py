"""A real browser without a window: Debian's Chromium, driven by playwright. `.ci/run` installs it and names this folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.support.waiting import DEADLINE_SECONDS

# Nothing is looked up and nothing is fetched but from this computer.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-default-apps", "--disable-sync", "--no-first-run", "--no-pings"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE 127.0.0.2 , EXCLUDE localhost",
)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Give a browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install chromium")
    expect.set_options(timeout=DEADLINE_SECONDS * 1_000)  # however busy this machine is
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
def pictures(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Give the folder for what the pages look like: DISPATCH_SCREENSHOTS, for who wants to look at them."""
    folder = Path(os.environ.get("DISPATCH_SCREENSHOTS") or tmp_path) / re.sub(r"\W+", "-", request.node.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
