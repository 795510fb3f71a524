"""`make phone` by real processes: a browser that believes its key pairs with its host; Ctrl-C leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from tests.browser.conftest import FLAGS
from tests.support.processes import ENVIRONMENT, Process, run
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.web_phone.conftest import ROOT
from tests.web_phone.screen import Screen


@dataclass
class Served:
    """What it says on the terminal, and the program itself."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())

    def said(self, pattern: str) -> str:
        found = re.search(pattern, "\n".join(self.lines))
        assert found is not None, self.lines
        return found[1]


@pytest.fixture
async def served(bundle: Path) -> AsyncIterator[Served]:
    del bundle  # has to be there
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.phone", cwd=ROOT, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE
    )
    served = Served(process)
    reading = asyncio.create_task(served.read())
    try:
        await until(lambda: any("Ctrl-C" in line for line in served.lines) or reading.done())
        yield served
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def test_a_browser_that_believes_its_key_signs_in_and_pairs(served: Served, pictures: Path) -> None:
    address, key = served.said(r"(https://localhost:\d+)/"), served.said(r"spki-list=(\S+)")
    program = shutil.which("chromium") or pytest.fail("chromium is missing: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=[*FLAGS, f"--ignore-certificate-errors-spki-list={key}"]
        )
        screen = Screen(await browser.new_page(viewport={"width": 390, "height": 780}), address, pictures)
        await screen.open()
        await screen.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        for label in ("Service", "Account", "Password"):
            await screen.page.get_by_label(label).fill(served.said(rf"{label}\s+(\S+)"))
        await screen.page.get_by_label("Name of this phone").fill("pocket")
        await screen.button("Sign in").click()
        host = await Process.start("dispatch-host", "pair", "--home", served.said(r"--home (\S+)"))
        await screen.paste((await host.event("qr"))["link"])
        await screen.agree(host)
        await expect(screen.page.get_by_role("heading", name="Desk")).to_be_visible()
        assert screen.complaints == []
        await browser.close()


async def test_nobody_is_served_without_tls_and_what_is_served_is_the_bundle(served: Served, bundle: Path) -> None:
    address, authority = served.said(r"(https://localhost:\d+)/"), served.said(r"import (\S+) as")

    def fetched(url: str) -> tuple[bytes, dict[str, str]]:
        believing = ssl.create_default_context(cafile=authority)
        with urllib.request.urlopen(url, context=believing, timeout=DEADLINE_SECONDS) as answer:  # noqa: S310 -- an address of this test
            return answer.read(), dict(answer.headers)

    page, headers = await asyncio.to_thread(fetched, address)

    assert page == (bundle / "index.html").read_bytes()
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    with pytest.raises(OSError, match=r"closed|reset|Remote end|aborted"):
        await asyncio.to_thread(fetched, address.replace("https", "http"))


async def test_ctrl_c_ends_everything_and_leaves_nothing(served: Served) -> None:
    folder = Path(served.said(r"--home (\S+)")).parent
    assert folder.is_dir()

    served.process.send_signal(signal.SIGINT)

    assert await served.process.wait() == 0
    await until(lambda: "nothing is left behind" in "\n".join(served.lines))
    assert not folder.exists()
    assert not await asyncio.to_thread(programs_of, folder)


async def test_a_host_that_its_person_stops_takes_nothing_else_with_it(served: Served) -> None:
    """Finding: `dispatch-host stop` ended the page and the services, too."""
    home = served.said(r"--home (\S+)")

    await run("dispatch-host", "stop", "--home", home)

    await until(lambda: any("The host has ended, with exit code 0" in line for line in served.lines))
    assert served.process.returncode is None
    again = await Process.start("dispatch-host", "run", "--home", home)
    try:
        await again.event("running")
        served.process.send_signal(signal.SIGINT)
        assert await served.process.wait() == 0
        assert await again.ended() == 0, "its home went away under it"
    finally:
        await again.stop()
    assert not await asyncio.to_thread(programs_of, Path(home).parent)


async def test_when_a_service_ends_it_is_said_which(served: Served) -> None:
    folder = Path(served.said(r"--home (\S+)")).parent
    (relay,) = [
        pid for pid, words in (await asyncio.to_thread(running_in, folder)).items() if "dispatch-relay" in words
    ]

    os.kill(relay, signal.SIGKILL)

    assert await served.process.wait() == 1
    await until(lambda: any("Ended: dispatch-relay serve" in line for line in served.lines))
    assert not any("did not start" in line for line in served.lines)
    assert not folder.exists()


def programs_of(folder: Path) -> list[str]:
    """List what runs with that folder on its command line."""
    return list(running_in(folder).values())


def running_in(folder: Path) -> dict[int, str]:
    """The same, by the id of the process."""
    found = {}
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found[int(one.parent.name)] = one.read_bytes().decode(errors="replace")
    return {pid: words for pid, words in found.items() if str(folder) in words}
