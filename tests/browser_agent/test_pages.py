"""Real pages through the agents' tools: what is read, what is asked for, what is noted, and what never gets anywhere."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest
from dispatch_host.agents import Approval, Artifact
from dispatch_host.agents.toolbox import ToolFailed

from tests.browser_agent.conftest import NO, YES, Desk, ref
from tests.support.site import Asked, Site
from tests.support.waiting import until

FORM = """<title>Order</title><h1>Tea shop</h1>
<form action="/order" method="{method}"><input name="tea" aria-label="Which tea"><button>Order now</button></form>"""


def asked(desk: Desk) -> list[Approval]:
    return [one for one in desk.ask.asked if isinstance(one, Approval)]


async def test_a_page_is_read_with_refs_and_only_its_origin_is_noted(desk: Desk, site: Site) -> None:
    site.page("/two", "<title>Two</title><p>The second page.</p>")
    url = site.page("/one?secret=7", "")
    site.page("/one", "<title>One</title><h1>Hello</h1><p>Some words.</p><a href='/two'>onward</a>")

    said = await desk.does("open", url=url)

    assert "Title: One" in said
    assert "Some words." in said
    again = await desk.does("click", ref=ref(said, "onward"))
    assert "The second page." in again
    assert desk.origins == [site.origin, site.origin]
    assert "secret" not in repr(desk.gate.used)
    assert desk.ask.asked == []
    assert "Hello" in await desk.does("back")


async def test_a_link_that_chromium_is_slow_to_follow_is_waited_for(desk: Desk, site: Site) -> None:
    site.page("/two", "<p>The second page.</p>")
    # As on a busy computer: longer than a page is quiet that is done.
    slow = "event.preventDefault(); const to = this.href; setTimeout(() => { location.href = to; }, 1000)"
    said = await desk.does("open", url=site.page("/", f'<a href="/two" onclick="{slow}">onward</a>'))

    said = await desk.does("click", ref=ref(said, "onward"))

    assert "The second page." in said


async def test_a_form_that_chromium_is_slow_to_send_is_waited_for(desk: Desk, site: Site) -> None:
    site.page("/order", "<p>Thank you.</p>")
    slow = "event.preventDefault(); setTimeout(() => this.submit(), 1000)"
    said = await desk.does(
        "open",
        url=site.page("/", f'<form action="/order" method="post" onsubmit="{slow}"><button>Order</button></form>'),
    )
    desk.answers(YES)

    said = await desk.does("click", ref=ref(said, "Order"))

    assert "Thank you." in said


@pytest.mark.parametrize("element", ['<a href="/two" {}>press</a>', "<form {}><button>press</button></form>"])
async def test_what_a_script_keeps_from_leading_anywhere_is_not_taken_for_a_page_that_loads(
    desk: Desk, site: Site, element: str
) -> None:
    stays = "onclick=\"event.preventDefault(); document.title = 'stayed'\""
    said = await desk.does("open", url=site.page("/", element.format(stays)))

    said = await desk.does("click", ref=ref(said, "press"))

    assert "Title: stayed" in said
    assert "still loading" not in said


async def test_a_form_is_sent_exactly_as_it_was_shown_after_a_yes(desk: Desk, site: Site) -> None:
    said = await desk.does("open", url=site.page("/", FORM.format(method="post")))
    site.page("/order", "<p>Thank you.</p>")
    said = await desk.does("fill", ref=ref(said, "Which tea"), text="green & black")
    desk.answers(YES)

    said = await desk.does("click", ref=ref(said, "Order now"))

    assert "Thank you." in said
    (question,) = asked(desk)
    assert question.rule == f"submit forms on {site.origin}"
    assert "tea=green+%26+black" in question.preview
    assert site.sent() == [Asked("POST", "/order", json.loads(question.action)["body"])]
    assert f"sends to {site.origin}" in [subject for _, subject in desk.gate.used]


@pytest.mark.parametrize("method", ["post", "get"])
async def test_a_form_is_not_sent_after_a_no(desk: Desk, site: Site, method: str) -> None:
    said = await desk.does("open", url=site.page("/", FORM.format(method=method)))
    site.page("/order", "<p>Thank you.</p>")
    said = await desk.does("fill", ref=ref(said, "Which tea"), text="green")
    desk.answers(NO)

    said = await desk.does("press", key="Enter", ref=ref(said, "Which tea"))

    assert "did not allow" in said
    assert len(asked(desk)) == 1
    assert [one.path for one in site.asked if one.path.startswith("/order")] == []


async def test_a_script_that_sends_after_a_click_waits_for_the_person_too(desk: Desk, site: Site) -> None:
    page = "<button onclick=\"fetch('/buy', {method: 'POST', body: 'all of it'})\">Innocent</button>"
    said = await desk.does("open", url=site.page("/", page))
    desk.answers(NO)

    await desk.does("click", ref=ref(said, "Innocent"))

    await until(lambda: asked(desk))
    assert site.sent() == []
    assert "all of it" in asked(desk)[0].preview


async def test_what_can_not_be_shown_is_not_sent(desk: Desk, site: Site) -> None:
    page = "<button onclick=\"fetch('/buy', {method: 'POST', body: new Uint8Array([0, 255, 1])})\">Bytes</button>"
    said = await desk.does("open", url=site.page("/", page))

    said = await desk.does("click", ref=ref(said, "Bytes"))

    await desk.sees("can't be shown", given=said)
    assert site.sent() == []
    assert asked(desk) == []


async def test_a_table_is_given_as_markdown(desk: Desk, site: Site) -> None:
    table = "<table><tr><th>Tea<th>Price</tr><tr><td>green | fine<td>3</tr></table>"
    await desk.does("open", url=site.page("/", table))

    said = await desk.does("table")

    assert "| Tea | Price |\n|---|---|\n| green \\| fine | 3 |" in said


async def test_a_long_page_comes_in_parts(desk: Desk, site: Site) -> None:
    said = await desk.does("open", url=site.page("/", "".join(f"<p>Line number {n}.</p>" for n in range(2000))))

    assert "Line number 0." in said
    parts = re.search(r"part 1 of (\d+)", said)
    assert parts is not None
    assert "Line number 1999." in await desk.does("read", part=int(parts[1]))


async def test_a_picture_goes_to_the_phone(desk: Desk, site: Site) -> None:
    await desk.does("open", url=site.page("/", "<h1>Look</h1>"))

    await desk.does("screenshot")

    (picture,) = [one.path for one in desk.told if isinstance(one, Artifact)]
    assert picture.parent == desk.pictures
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_mode & 0o777 == 0o600


async def test_a_download_is_shown_asked_for_and_never_takes_the_place_of_a_file(desk: Desk, site: Site) -> None:
    data = b"%PDF-1.4 " + bytes(range(256)) * 100
    site.file("/r", data, "report.pdf")
    said = await desk.does("open", url=site.page("/", "<a href='/r'>the report</a>"))
    desk.answers(YES)

    said = await desk.does("download", ref=ref(said, "the report"), folder="Downloads")

    saved = desk.folder / "report.pdf"
    assert saved.name in said
    assert saved.read_bytes() == data
    assert saved.stat().st_mode & 0o777 == 0o600
    (question,) = asked(desk)
    assert sha256(data).hexdigest() in question.preview
    assert site.origin in question.preview
    assert question.rule == f"save downloads in {desk.folder}"
    desk.answers(YES)
    with pytest.raises(ToolFailed, match="already"):
        await desk.does("download", url=site.url("/r"), folder="Downloads")
    desk.answers(YES)
    await desk.does("download", url=site.url("/r"), folder="Downloads", name="second.pdf")
    assert (desk.folder / "second.pdf").read_bytes() == data


async def test_a_download_is_not_saved_after_a_no_nor_in_a_folder_that_is_not_approved(desk: Desk, site: Site) -> None:
    url = site.file("/r", b"data", "report.pdf")
    desk.answers(NO)

    with pytest.raises(ToolFailed, match="said no"):
        await desk.does("download", url=url, folder="Downloads")
    with pytest.raises(ToolFailed, match="not approved"):
        await desk.does("download", url=url, folder="/etc")

    assert list(desk.folder.iterdir()) == []


async def test_a_file_is_no_page_and_says_how_it_is_saved(desk: Desk, site: Site) -> None:
    with pytest.raises(ToolFailed, match="browser_download"):
        await desk.does("open", url=site.file("/r", b"data", "report.pdf"))
