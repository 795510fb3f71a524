"""Who may come in to the host's page, decided from the head of a request. docs/host-page.md "Who may use it"."""

from __future__ import annotations

from typing import Any

import pytest
from dispatch_host.page.guard import ASSETS, LIMIT_BYTES, Guard, Turned, judge
from starlette.types import Message, Receive, Scope, Send

TOKEN = "t" * 43
GOOD = {
    "host": "127.0.0.1:4711",
    "origin": "http://127.0.0.1:4711",
    "sec-fetch-site": "same-origin",
    "authorization": f"Bearer {TOKEN}",
    "content-type": "application/json",
    "content-length": "2",
}


def judged(method: str = "POST", path: str = "/do", **changed: Any) -> Turned | None:
    headers = GOOD | {name.replace("_", "-"): value for name, value in changed.items()}
    present = {name: value for name, value in headers.items() if value is not None}
    return judge(method, path, present, port=4711, token=TOKEN)


def test_the_page_itself_may_do_all() -> None:
    assert judged() is None
    assert judged(host="localhost:4711", origin="http://localhost:4711") is None
    assert judged(sec_fetch_site=None) is None  # a browser that does not say it


@pytest.mark.parametrize("path", sorted(ASSETS))
def test_what_shows_nothing_needs_no_token(path: str) -> None:
    assert judged("GET", path, authorization=None, origin=None, content_type=None, content_length=None) is None


@pytest.mark.parametrize(
    ("changed", "turned"),
    [
        ({"host": "evil.example:4711"}, Turned.HOST),
        ({"host": "127.0.0.1:80"}, Turned.HOST),
        ({"host": "127.0.0.1"}, Turned.HOST),
        ({"host": "127.0.0.1.evil.example:4711"}, Turned.HOST),
        ({"host": "127.0.0.1:4711, 127.0.0.1:4711"}, Turned.HOST),
        ({"host": None}, Turned.HOST),
        ({"origin": "http://evil.example"}, Turned.CROSS_SITE),
        ({"origin": "http://localhost:4711"}, Turned.CROSS_SITE),
        ({"origin": "https://127.0.0.1:4711"}, Turned.CROSS_SITE),
        ({"origin": "null"}, Turned.CROSS_SITE),
        ({"origin": None}, Turned.CROSS_SITE),
        ({"sec_fetch_site": "same-site"}, Turned.CROSS_SITE),
        ({"authorization": None}, Turned.TOKEN),
        ({"authorization": "Bearer "}, Turned.TOKEN),
        ({"authorization": TOKEN}, Turned.TOKEN),
        ({"authorization": "Bearer é"}, Turned.TOKEN),
        ({"content_type": "text/plain"}, Turned.MEDIA_TYPE),
        ({"content_type": "application/x-www-form-urlencoded"}, Turned.MEDIA_TYPE),
        ({"content_length": None}, Turned.TOO_LARGE),
        ({"content_length": str(LIMIT_BYTES + 1)}, Turned.TOO_LARGE),
        ({"content_length": "9" * 40}, Turned.TOO_LARGE),
    ],
)
def test_everybody_else_is_turned_away(changed: dict[str, Any], turned: Turned) -> None:
    assert judged(**changed) is turned


@pytest.mark.parametrize("path", ["/do", "/live", "/pair", "/thread", "/page.js"])
def test_a_link_or_a_form_of_another_site_reaches_nothing(path: str) -> None:
    turned = judged("POST", path, origin="http://evil.example", sec_fetch_site="cross-site", authorization=None)

    assert turned is Turned.CROSS_SITE


def test_another_site_does_not_learn_whether_it_knows_the_token() -> None:
    assert judged(origin="http://evil.example") is judged(origin="http://evil.example", authorization="Bearer x")


async def test_a_request_that_says_less_than_it_sends_is_not_read_to_its_end() -> None:
    piece = b"x" * (40 * 1_024)
    coming: list[Message] = [{"type": "http.request", "body": piece, "more_body": more} for more in (True, False)]
    read: list[Message] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        read.extend([await receive(), await receive()])

    async def receive() -> Message:
        return coming.pop(0)

    async def send(_message: Message) -> None:
        raise AssertionError("it was turned away")

    headers = [(name.encode(), value.encode()) for name, value in GOOD.items()]
    scope = {"type": "http", "method": "POST", "path": "/do", "headers": headers}
    await Guard(app, port=4711, token=TOKEN)(scope, receive, send)

    assert read == [{"type": "http.request", "body": piece, "more_body": True}, {"type": "http.disconnect"}]
