"""`make phone` by real processes: a browser that believes its key pairs with its host; Ctrl-C leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import async_playwright, expect

from tests.browser.conftest import FLAGS
from tests.support.processes import ENVIRONMENT, Process, run
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.web_phone.conftest import ROOT
from tests.web_phone.screen import Screen

# What a terminal's half blocks are above and below: light where there is one.
_BLOCKS = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}


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
def words() -> list[str]:
    """Give what follows on its command line. Tests override it."""
    return []


@pytest.fixture
async def served(bundle: Path, words: list[str]) -> AsyncIterator[Served]:
    del bundle  # has to be there
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.phone", *words, cwd=ROOT, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE
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


@contextlib.asynccontextmanager
async def paired(served: Served, address: str, pictures: Path) -> AsyncIterator[Screen]:
    """Open it in a browser that believes its key, sign in, and pair with its host."""
    key = served.said(r"spki-list=(\S+)")
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
        yield screen
        assert screen.complaints == []
        await browser.close()


async def test_a_browser_that_believes_its_key_signs_in_and_pairs(served: Served, pictures: Path) -> None:
    async with paired(served, served.said(r"(https://localhost:\d+)/"), pictures):
        pass


class TestForARealPhone:
    """On an address that a phone reaches, with the person's own files."""

    @pytest.fixture
    def words(self, tmp_path: Path) -> list[str]:
        own = tmp_path / "own"
        own.mkdir()
        (own / "mine.bin").write_bytes(b"x" * 3_000_000)
        return ["--address", "127.0.0.2", "--folder", str(own)]

    async def test_the_code_on_the_terminal_leads_to_the_page_and_the_own_files_are_what_is_worked_on(
        self, served: Served, pictures: Path
    ) -> None:
        address = served.said(r"(https://127\.0\.0\.2:\d+)/")
        assert read_from(served.lines) == f"{address}/"
        served.said(r"(A phone: bring that file there)")

        async with paired(served, address, pictures) as screen:
            await screen.connected()
            card = await screen.send("What is the largest file?", to="Desk")
            await screen.becomes(card, "done")
            await expect(card.locator(".result")).to_contain_text("mine.bin")


def test_make_passes_on_what_is_said_to_it() -> None:
    said = ["make", "--dry-run", "phone", "ADDRESS=127.0.0.2", "FOLDER=/own files"]
    printed = subprocess.run(said, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '-m deploy.phone --address "127.0.0.2" --folder "/own files"' in printed


async def test_nobody_is_served_without_tls_and_what_is_served_is_the_bundle(served: Served, bundle: Path) -> None:
    address, authority = served.said(r"(https://localhost:\d+)/"), served.said(r"import (\S+) as")

    def fetched(url: str) -> tuple[bytes, Message]:
        believing = ssl.create_default_context(cafile=authority)
        with urllib.request.urlopen(url, context=believing, timeout=DEADLINE_SECONDS) as answer:  # noqa: S310 -- an address of this test
            return answer.read(), answer.headers

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


def read_from(lines: list[str]) -> str:
    """Read the code that is drawn there, as a camera before the terminal does."""
    drawn = [line for line in lines if len(line) > 20 and set(line) <= set(_BLOCKS)]
    rows = [bytes(_BLOCKS[sign][half] for sign in line) for line in drawn for half in (0, 1)]
    picture = Image.frombytes("L", (len(rows[0]), len(rows)), b"".join(rows))
    [code] = zxingcpp.read_barcodes(picture.resize((picture.width * 8, picture.height * 8), Image.Resampling.NEAREST))
    return code.text
