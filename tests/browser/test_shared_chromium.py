"""The browser that all tests of a process share: nothing of one test is there for the next, and one that died is replaced."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.conftest import FLAGS
from tests.support.shared_chromium import SharedChromium
from tests.support.waiting import until
from tests.web_phone.looks import violations

_FAINT_IN_THE_DARK = """
<title>Words</title><html lang=en><style>@media (prefers-color-scheme: dark) { body { background: #222; color: #333 } }</style>
<main><h1>Words</h1><p>Some more of them.</p></main>
"""


async def opened(shared: SharedChromium) -> tuple[str, int]:
    """Open a page; gives what it says, and how many contexts there were before."""
    async with shared.connected() as browser:
        before = len(browser.contexts)
        page = await (await browser.new_context()).new_page()
        said: str = await page.evaluate("'here'")
        return said, before


async def test_a_browser_serves_one_test_after_another_and_is_replaced_once_it_has_died(tmp_path: Path) -> None:
    shared = SharedChromium(tmp_path, FLAGS)
    try:
        assert await opened(shared) == ("here", 0)
        first = shared.processes()
        assert await opened(shared) == ("here", 0)
        assert shared.processes() == first
        for process in first:
            os.kill(process, signal.SIGKILL)
        await until(lambda: not any(runs(process) for process in first))

        assert await opened(shared) == ("here", 0)

        assert not set(shared.processes()) & set(first)
    finally:
        last = shared.processes()
        shared.end()
    assert last
    assert not any(runs(process) for process in last)


@pytest.mark.parametrize("colours_only", [False, True])
async def test_words_that_are_faint_in_the_dark_only_are_found(chromium: Browser, *, colours_only: bool) -> None:
    page = await chromium.new_page(color_scheme="dark")
    await page.set_content(_FAINT_IN_THE_DARK)

    found = await violations(page, colours_only=colours_only)

    assert {one.partition(":")[0] for one in found} == {"color-contrast"}


def runs(process: int) -> bool:
    """Tell whether it runs; one that has ended and that nobody asked about does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
