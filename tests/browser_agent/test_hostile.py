"""Pages that mean harm: to this computer's network, to the task's time, to what stays behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.toolbox import ToolFailed
from dispatch_host.browser import near
from dispatch_host.browser.reach import Address
from dispatch_host.browser.session import Browser
from dispatch_host.permissions.permission import BROWSER

from tests.browser_agent.conftest import Desk, browser_for, ref
from tests.support.agents import Nobody, OpenGate
from tests.support.site import Site
from tests.support.waiting import until, until_so


def chambers(home: Path) -> list[int]:
    """List the sandboxes that were made with this home and are still there; with bubblewrap's, all in it are gone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argv[0].endswith(b"bwrap") and str(home).encode() in argv:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    "url", ["http://127.0.0.2:8080/", "http://169.254.169.254/", "http://[::1]/", "http://[::ffff:10.0.0.1]/"]
)
async def test_private_addresses_are_not_reached(desk: Desk, url: str) -> None:
    with pytest.raises(ToolFailed, match="private network"):
        await desk.does("open", url=url)


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("open", {"url": "http://127.0.0.1/"}),
        ("read", {}),
        ("click", {"ref": "e1"}),
        ("fill", {"ref": "e1", "text": "x"}),
        ("press", {"key": "Enter"}),
        ("back", {}),
        ("table", {}),
        ("screenshot", {}),
        ("download", {"url": "http://127.0.0.1/", "folder": "Downloads"}),
    ],
)
async def test_a_misspelt_argument_is_refused_and_no_browser_begun(
    desk: Desk, tool: str, given: dict[str, JSON]
) -> None:
    with pytest.raises(ToolFailed, match="no argument reff"):
        await desk.does(tool, **given, reff="e2")

    assert desk.gate.used == []


async def test_a_page_leads_to_no_private_address_either(desk: Desk, site: Site) -> None:
    other = f"http://127.0.0.2:{site.port}"
    site.page(
        "/", f"<img src='{other}/picture'><script>fetch('{other}/script').catch(() => document.title = 'kept')</script>"
    )

    async def kept() -> bool:  # the page says so when its script has heard of it
        return "Title: kept" in await desk.does("read")

    await desk.does("open", url=site.url("/"))
    await until_so(kept)
    with pytest.raises(ToolFailed, match="private network"):
        await desk.does("open", url=site.leads("/away", f"{other}/led"))

    assert {one.path for one in site.asked} <= {"/", "/away", "/favicon.ico"}


async def test_a_name_that_turns_private_on_the_second_look_gains_nothing(tmp_path: Path, site: Site) -> None:
    answers: list[str] = ["127.0.0.1"]

    async def resolve(name: str) -> Sequence[Address]:
        assert name == "rebinding.example"
        return [ip_address(answers[0])]

    allowed = browser_for(tmp_path)
    browser = Browser(allowed._sandbox, home=tmp_path / "home", reach=allowed._reach, resolve=resolve)
    site.page("/", "<title>first</title>")
    async with browser.session(gate=OpenGate((), BROWSER), ask=Nobody()) as session:
        first = await session.page("open", url=f"http://rebinding.example:{site.port}/")
        answers[0] = "127.0.0.3"
        with pytest.raises(Exception, match="private network"):
            await session.page("open", url=f"http://rebinding.example:{site.port}/")

    assert first.title == "first"
    assert [one.path for one in site.asked if one.path == "/"] == ["/"]


def test_the_networks_of_this_computer_are_told() -> None:
    assert any(ip_address("127.0.0.1") in network for network in near.networks())


async def test_other_schemes_lead_nowhere(desk: Desk, site: Site) -> None:
    for url in ("file:///etc/passwd", "chrome://version", "data:text/html,x", "javascript:alert(1)", "view-source:x"):
        with pytest.raises(ToolFailed):
            await desk.does("open", url=url)
    said = await desk.does(
        "open",
        url=site.page("/", "<a href='file:///etc/passwd'>files</a><a href='data:text/html,<h1>in</h1>'>data</a>"),
    )

    for name in ("files", "data"):
        page = await desk.does("click", ref=ref(said, name))
        assert f"URL: {site.origin}" in page or "URL: about:blank" in page
        assert "root:" not in page
        said = await desk.does("open", url=site.url("/"))


async def test_dialogs_popups_and_a_page_that_will_not_be_left_hold_nothing_up(desk: Desk, site: Site) -> None:
    page = """<title>Loud</title><script>
      for (let n = 0; n < 5; n++) alert('number ' + n);
      addEventListener('beforeunload', event => { event.preventDefault(); event.returnValue = 'stay'; });
      function many() { for (let n = 0; n < 20; n++) open('/popup'); }
    </script><button onclick='many()'>More</button>"""
    site.page("/popup", "<title>Popup</title>")
    said = await desk.does("open", url=site.page("/", page))
    assert "number 4" in said

    await desk.sees("Title: Popup", given=await desk.does("click", ref=ref(said, "More")))
    assert "Title: Loud" in await desk.does("back")
    assert "Title: Popup" in await desk.does("open", url=site.url("/popup"))


async def test_a_page_that_never_ends_loading_is_read_as_far_as_it_is(desk: Desk, site: Site) -> None:
    site.page("/picture", "")
    site.endless.add("/picture")

    said = await desk.does("open", url=site.page("/", "<p>The words.</p><img src='/picture'>"))

    assert "The words." in said
    assert "still loading" in said


async def test_a_page_that_does_not_answer_costs_the_session_and_not_the_task(desk: Desk, site: Site) -> None:
    said = await desk.does("open", url=site.page("/", "<button onclick='for (;;) {}'>Hang</button>"))

    with pytest.raises(ToolFailed, match="does not answer"):
        await desk.does("click", ref=ref(said, "Hang"))

    assert "Still here." in await desk.does("open", url=site.page("/calm", "<p>Still here.</p>"))


async def test_a_permission_that_is_taken_back_ends_the_call(desk: Desk, site: Site) -> None:
    said = await desk.does("open", url=site.page("/", "<a href='/next'>next</a>"))
    tools = {one.name: one for one in await desk.box.tools(desk.work)}
    desk.gate._grants = []

    with pytest.raises(errors.NotPermitted):
        await tools["browser_click"].run({"ref": ref(said, "next")}, desk.work)

    assert await desk.box.tools(desk.work) == []


async def test_nothing_is_left_when_the_task_is_over(desk: Desk, site: Site) -> None:
    await desk.does("open", url=site.page("/", "<p>x</p>"))
    assert chambers(desk.home)

    await desk.work.closing.aclose()

    await until(lambda: not chambers(desk.home))


async def test_another_task_has_another_browser_without_the_cookies_of_the_first(desk: Desk, site: Site) -> None:
    site.page("/", "<script>document.title = document.cookie || 'fresh'; document.cookie = 'a=1; max-age=999'</script>")
    assert "Title: fresh" in await desk.does("open", url=site.url("/"))
    assert "Title: a=1" in await desk.does("open", url=site.url("/"))

    other = desk.task("task-2")
    async with other.closing:
        assert "Title: fresh" in await desk.called("open", {"url": site.url("/")}, other)
        with pytest.raises(ToolFailed, match="No page"):
            await desk.does("read")


async def test_nothing_is_left_of_a_session_that_is_cancelled(desk: Desk, site: Site) -> None:
    site.page("/", "")
    site.endless.add("/")
    opening = asyncio.create_task(desk.does("open", url=site.url("/")))
    await until(lambda: site.asked)

    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await desk.work.closing.aclose()

    await until(lambda: not chambers(desk.home))


OF_A_HOST = """
import asyncio, sys
from functools import partial
from pathlib import Path
from dispatch_host.browser.session import Browser
from dispatch_host.sandbox.probe import probe
from tests.support.agents import Nobody, OpenGate

async def main(home):
    async with Browser(partial(probe, home=home), home=home).session(gate=OpenGate(()), ask=Nobody()):
        print("begun", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_nothing_is_left_of_a_host_that_is_killed(tmp_path: Path) -> None:
    host = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OF_A_HOST, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert host.stdout is not None
    assert await host.stdout.readline() == b"begun\n"
    assert chambers(tmp_path)

    host.send_signal(signal.SIGKILL)
    await host.wait()

    await until(lambda: not chambers(tmp_path))
