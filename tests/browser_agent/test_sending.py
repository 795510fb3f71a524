"""What a page may send once an agent has a part in it: to whom, by which ways, and what another site gets of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from dispatch_host.agents import Approval

from tests.browser_agent.conftest import NO, YES, Desk, ref
from tests.support.site import Asked, Site, a_site
from tests.support.waiting import until

FORM = """<form action="{action}" method="post"><input name="q" aria-label="Words"><button>Send</button></form>"""


@pytest.fixture
async def other() -> AsyncIterator[Site]:
    async with a_site() as other:
        yield other


def asked(desk: Desk) -> list[Approval]:
    return [one for one in desk.ask.asked if isinstance(one, Approval)]


async def typed(desk: Desk, url: str, text: str) -> str:
    """Open a page and type into its field; gives the page then."""
    page = await desk.does("open", url=url)
    return await desk.does("fill", ref=ref(page, "Words"), text=text)


@pytest.mark.parametrize("status", [307, 308])
async def test_what_was_allowed_for_one_site_is_not_sent_on_to_another(
    desk: Desk, site: Site, other: Site, status: int
) -> None:
    other.page("/steal", "got it")
    site.leads("/go", other.url("/steal"))
    site.status["/go"] = status
    page = await typed(desk, site.page("/", FORM.format(action="/go")), "secret")
    desk.answers(YES, YES)

    said = await desk.does("click", ref=ref(page, "Send"))

    assert [one.path for one in site.sent()] == ["/go"]
    assert other.asked == []
    assert "sent on to another" in said
    assert len(asked(desk)) == 1


async def test_a_site_may_send_on_within_itself_and_lead_elsewhere_without_it(
    desk: Desk, site: Site, other: Site
) -> None:
    site.leads("/go", "/there")
    site.status["/go"] = 307
    site.leads("/there", other.page("/done", "<p>Thank you.</p>"))
    page = await typed(desk, site.page("/", FORM.format(action="/go")), "words")
    desk.answers(YES)

    said = await desk.does("click", ref=ref(page, "Send"))

    assert "Thank you." in said
    assert site.sent() == [Asked("POST", "/go", "q=words"), Asked("POST", "/there", "q=words")]
    assert [(one.method, one.body) for one in other.asked if one.path == "/done"] == [("GET", "")]


PATH = """<form onsubmit="{script}; return false"><input id="q" aria-label="Words"><button>Send</button></form>"""


@pytest.mark.parametrize(
    "script",
    [
        "location = '/leak/' + q.value",
        "fetch('/leak/' + q.value)",
        "setTimeout(() => location = '/leak/' + q.value, 0)",
        "document.body.append(Object.assign(document.createElement('iframe'), {src: '/leak/' + q.value}))",
    ],
)
async def test_what_a_form_puts_into_a_path_waits_as_what_it_puts_behind_a_question_mark(
    desk: Desk, site: Site, script: str
) -> None:
    page = await typed(desk, site.page("/", PATH.format(script=script)), "secret")
    desk.answers(NO)

    await desk.does("click", ref=ref(page, "Send"))

    await until(lambda: asked(desk))
    assert "/leak/secret" in asked(desk)[0].preview
    assert not [one for one in site.asked if "secret" in one.path]


async def test_a_page_that_leaves_by_itself_with_what_was_typed_waits_too(desk: Desk, site: Site) -> None:
    """As long after it as it likes: what is held does not depend on when an agent's call was over."""
    script = "q.oninput = () => setTimeout(() => location = '/leak/' + q.value, 1)"
    desk.answers(NO)

    await typed(desk, site.page("/", f"<input id='q' aria-label='Words'><script>{script}</script>"), "secret")

    await until(lambda: asked(desk))
    assert "/leak/secret" in asked(desk)[0].preview
    assert not [one for one in site.asked if "secret" in one.path]


async def test_links_and_ways_back_are_followed_without_a_question_after_typing(desk: Desk, site: Site) -> None:
    site.page("/two", "<p>The second page.</p>")
    page = await typed(desk, site.page("/", "<a href='/two?a=b'>onward</a><input aria-label='Words'>"), "words")

    assert "The second page." in await desk.does("click", ref=ref(page, "onward"))
    page = await desk.does("back")
    page = await desk.does("fill", ref=ref(page, "Words"), text="other words")
    assert "The second page." in await desk.does("press", key="Enter", ref=ref(page, "onward"))
    assert asked(desk) == []


async def test_a_form_that_is_sent_by_a_download_of_its_button_waits_too(desk: Desk, site: Site, other: Site) -> None:
    action = other.file("/take", b"data", "data.bin")
    page = await typed(desk, site.page("/", FORM.format(action=action).replace("post", "get")), "secret")
    desk.answers(YES, YES)

    await desk.does("download", ref=ref(page, "Send"), folder=str(desk.folder))

    sending, saving = asked(desk)
    assert f"{action}?q=secret" in sending.preview
    assert "data.bin" in saving.preview


# What a page writes anew is the document that it was: its links are not read as if it were another.
ANEW = "let at = q.form.action + `?q=` + q.value; document.open(); document.write(`<a href=${at}>onward</a>`)"
LINK = """<form action="{action}"><input name="q" id="q" aria-label="Words"><a id="a" href="{href}" {more}>onward</a></form>"""


@pytest.mark.parametrize(
    ("href", "more"),
    [
        ("#", "onclick='q.form.submit(); return false'"),
        ("/two", "onclick='a.href = q.form.action + `?q=` + q.value'"),
        ("/two", "onclick='location = q.form.action + `?q=` + q.value; return false'"),
        ("/two", f"onclick='{ANEW}; return false'"),
    ],
)
async def test_a_link_is_followed_only_to_where_it_led_before_something_was_typed(
    desk: Desk, site: Site, other: Site, href: str, more: str
) -> None:
    site.page("/two", "<p>The second page.</p>")
    url = site.page("/", LINK.format(action=other.page("/leak", "got it"), href=href, more=more))
    page = await typed(desk, url, "secret")
    desk.answers(NO)

    page = await desk.does("click", ref=ref(page, "onward"))
    if ANEW in more:
        await desk.does("click", ref=ref(page, "onward"))

    await until(lambda: asked(desk))
    assert "/leak?q=secret" in asked(desk)[0].preview
    assert other.asked == []


async def test_a_link_is_followed_once(desk: Desk, site: Site) -> None:
    """How often a page goes somewhere could say something, too."""
    site.page("/two", "")
    site.status["/two"] = 204  # the page stays where it is
    site.headers["/two"] = ("Set-Cookie: been=there",)
    # Not before the first is answered: a browser gives up the one that is on its way.
    again = "onclick='let t = setInterval(() => document.cookie && (clearInterval(t), location = `/two`), 20)'"
    page = await typed(desk, site.page("/", LINK.format(action="/", href="/two", more=again)), "secret")
    desk.answers(NO)

    await desk.does("click", ref=ref(page, "onward"))

    await until(lambda: len(asked(desk)) == 1)
    assert "/two" in asked(desk)[0].preview
    assert len([one for one in site.asked if one.path == "/two"]) == 1


async def test_nothing_is_put_behind_the_hash_of_a_link_that_is_followed(desk: Desk, site: Site, other: Site) -> None:
    """It is not sent, and the other site's script reads it all the same."""
    url = other.page("/two", "<script>fetch('/leak/' + location.hash.slice(1))</script>")
    page = LINK.format(action="/", href=f"{url}#there", more="onclick='if (q.value) a.hash = q.value'")

    said = await desk.does("open", url=site.page("/", page))
    said = await desk.does("fill", ref=ref(said, "Words"), text="secret")
    said = await desk.does("click", ref=ref(said, "onward"))

    assert "changed by the page" in said
    assert other.asked == []
    said = await desk.does("open", url=site.url("/"))
    await desk.does("click", ref=ref(said, "onward"))
    await until(lambda: [one.path for one in other.asked if "leak" in one.path] == ["/leak/there"])
    assert asked(desk) == []


async def test_what_lies_in_a_link_and_what_is_next_to_it_on_the_next_page_is_followed_as_well(
    desk: Desk, site: Site
) -> None:
    site.page("/three", "<p>The third page.</p>")
    site.page("/two", "<a href='/three?c=%20d&amp;e'><h2>further</h2></a>")
    page = await typed(desk, site.page("/", LINK.format(action="/", href="two?a=b", more="")), "words")

    page = await desk.does("click", ref=ref(page, "onward"))

    assert "The third page." in await desk.does(
        "click", ref=ref(page.partition("heading")[1] + page.partition("heading")[2], "further")
    )
    assert asked(desk) == []


async def test_where_the_person_let_a_form_go_its_answer_may_lead_on(desk: Desk, site: Site) -> None:
    site.page("/go", "<script>location = '/home'</script>")
    site.page("/home", "<p>Welcome.</p>")
    page = await typed(desk, site.page("/", FORM.format(action="/go")), "words")
    desk.answers(YES)

    await desk.sees("Welcome.", given=await desk.does("click", ref=ref(page, "Send")))
    assert len(asked(desk)) == 1


async def test_a_shared_worker_sends_nothing(desk: Desk, site: Site) -> None:
    site.page(
        "/worker", "onconnect = event => event.ports[0].onmessage = () => fetch('/leak', {method: 'POST', body: 'x'})"
    )
    site.headers["/worker"] = ("Content-Type: text/javascript",)
    script = "worker = new SharedWorker('/worker'); worker.port.start()"
    page = f"<script>{script}</script><button onclick='worker.port.postMessage(1)'>Go</button>"
    said = await desk.does("open", url=site.page("/", page))

    said = await desk.does("click", ref=ref(said, "Go"))

    await desk.sees("nobody could be asked about", given=said)
    assert site.sent() == []


async def test_the_rule_of_one_sites_pages_is_not_that_of_anothers(desk: Desk, site: Site, other: Site) -> None:
    """An always for one's own forms is no leave for whoever else posts there."""
    site.page("/go", "<p>Thank you.</p>")
    frame = f"<iframe src='{other.page('/frame', FORM.format(action=site.url('/go')))}'></iframe>"
    for url in (
        site.page("/own", FORM.format(action="/go")),
        other.page("/", FORM.format(action=site.url("/go"))),
        site.page("/framed", frame),
    ):
        page = await typed(desk, url, "words")
        desk.answers(NO)
        await desk.does("click", ref=ref(page, "Send"))

    own, foreign, framed = asked(desk)
    assert own.rule == f"submit forms on {site.origin}"
    assert foreign.rule == framed.rule == f"let pages of {other.origin} submit forms on {site.origin}"
    assert own.rule_digest != foreign.rule_digest
    assert f"a page of {other.origin}" in foreign.preview


@pytest.mark.parametrize("event", ["onbeforeunload", "onpagehide"])
async def test_what_a_page_sends_as_it_is_left_waits_too(desk: Desk, site: Site, event: str) -> None:
    script = f"{event} = () => fetch('/leak', {{method: 'POST', body: q.value, keepalive: true}})"
    await typed(desk, site.page("/", f"<input id='q' aria-label='Words'><script>{script}</script>"), "secret")
    desk.answers(NO)

    page = await desk.does("open", url=site.page("/two", "<p>The second page.</p>"))

    assert "The second page." in page
    assert site.sent() == []
    assert "Words" in await desk.does("back")
